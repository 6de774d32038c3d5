// The task: which one it is to be, the run that goes on, and the trials that it has ended.
import { useCallback, useRef, useState } from "preact/hooks";
import { useLatest } from "../shared/useLatest";
import type { Steering } from "./steering";
import { TaskRun, type TaskName, type Trial } from "./task";

export interface TaskSettings {
  name: TaskName;
  nTrials: number;
  byClick: boolean;
}

export interface TaskHandle {
  settings: TaskSettings;
  set(changed: Partial<TaskSettings>): void;
  readonly run: { readonly current: TaskRun | null };
  running: boolean;
  trials: Trial[];
  begin(): void;
  end(): void;
  /** Show the run where the cursor is; it ends behind its last trial. */
  show(steering: Steering, timeS: number): void;
}

const USUAL: TaskSettings = { name: "centre-out", nTrials: 16, byClick: false };

export function useTask(): TaskHandle {
  const [settings, setSettings] = useState(USUAL);
  const [running, setRunning] = useState(false);
  const [trials, setTrials] = useState<Trial[]>([]);
  const run = useRef<TaskRun | null>(null);
  const settingsNow = useLatest(settings);

  const begin = () => {
    setTrials([]);
    run.current = new TaskRun(settings.name, settings.byClick, Math.floor(Math.random() * 2 ** 32));
    setRunning(true);
  };
  const end = useCallback(() => {
    run.current = null;
    setRunning(false);
  }, []);
  const show = useCallback((steering: Steering, timeS: number) => {
    const shown = run.current;
    if (!shown?.show(steering.position, timeS, steering.takeClick())) return;
    setTrials([...shown.trials]);
    if (shown.trials.length >= settingsNow.current.nTrials) end();
  }, []);
  const set = (changed: Partial<TaskSettings>) => setSettings((before) => ({ ...before, ...changed }));
  return { settings, set, run, running, trials, begin, end, show };
}
