// Who steers, with how much assist, and what the session's intents and the arrow keys do to it.
import { useEffect, useRef, useState } from "preact/hooks";
import type { SessionHandle } from "../shared/useSession";
import type { Intent } from "../shared/wire";
import { Steering, type Control } from "./steering";

export interface SteeringHandle {
  steering: Steering;
  control: Control;
  setControl(control: Control): void;
  /** Share of the speed across the line to the target that is taken off. */
  assist: number;
  setAssist(assist: number): void;
  /** Whether the session's intents move the cursor: then each must come at once. */
  byIntents: boolean;
  /** Take an intent; say whether the cursor goes another way for it. */
  take(intent: Intent): boolean;
}

export function useSteering(usual: Control): SteeringHandle {
  const [control, setControl] = useState(usual);
  const [assist, setAssist] = useState(0);
  const [sendsCursor, setSendsCursor] = useState(false);
  const steering = useRef(new Steering(usual)).current;
  steering.control = control;
  steering.assist = assist;

  const take = (intent: Intent) => {
    if (intent.kind !== "idle" && intent.kind !== "click") setSendsCursor(intent.kind === "cursor");
    return steering.take(intent);
  };
  return { steering, control, setControl, assist, setAssist, byIntents: sendsCursor && control === "session", take };
}

/** Steer by the arrow keys, but for those that go into a field. */
export function useArrowKeys(steering: Steering, wake: () => void): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const typing = event.target instanceof HTMLElement && /INPUT|SELECT|TEXTAREA/.test(event.target.tagName);
      if (typing || !event.key.startsWith("Arrow")) return;
      if (steering.control === "keys") event.preventDefault();
      steering.key(event.key, event.type === "keydown");
      wake();
    };
    window.addEventListener("keydown", onKey);
    window.addEventListener("keyup", onKey);
    return () => {
      window.removeEventListener("keydown", onKey);
      window.removeEventListener("keyup", onKey);
    };
  }, [steering, wake]);
}

/** Why the session steers nothing; empty while it does. */
export function whyStopped(session: string | null, { held, link, why, standing }: SessionHandle): string {
  if (session === null) return "no session is chosen";
  if (held) return "emergency stop";
  if (link !== "open") return `no connection${why ? `: ${why}` : ""}`;
  return standing?.state === "running" ? "" : `${standing?.state}: ${standing?.reason ?? ""}`;
}
