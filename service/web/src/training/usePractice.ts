// What is practised now: trials one after the other, or the game. Commands come from the session; what
// is asked for is told to whoever shows it, to the session as a marker, and to the simulated person.
import { useEffect, useRef, useState } from "preact/hooks";
import { call, sentence } from "../shared/api";
import type { LiveSession } from "../shared/live";
import { tell } from "../shared/notices";
import type { Intent } from "../shared/wire";
import { directionsOf, type Step } from "./directions";
import { Game, TARGETS_TO_WIN } from "./game";
import { orderOf, USUAL, type Trial, type TrialSettings } from "./trials";

type Phase = "cue" | "trial" | "pause";
export type Activity = "nothing" | "trials" | "game";

export interface Practice {
  activity: Activity;
  phase: Phase;
  /** What is asked for; null for nothing. */
  asked: string | null;
  trials: readonly Trial[];
  nTrials: number;
  game: Game | null;
  settings: TrialSettings;
  set(part: Partial<TrialSettings>): void;
  directions: ReadonlyMap<string, Step>;
  startTrials(): void;
  startGame(): void;
  end(): void;
  take(intent: Intent): void;
}

export interface Around {
  classes: readonly string[];
  live: LiveSession | null;
  /** Whether the session acts: running, and not held. */
  acts: boolean;
  /** The simulated person, and what they can imagine. */
  person: { id: string; classes: readonly string[] } | null;
  /** What a calibration asks for meanwhile. */
  cued: string | null;
}

export function usePractice({ classes, live, acts, person, cued }: Around): Practice {
  const [activity, setActivity] = useState<Activity>("nothing");
  const [phase, setPhase] = useState<Phase>("pause");
  const [order, setOrder] = useState<readonly string[]>([]);
  const [trials, setTrials] = useState<readonly Trial[]>([]);
  const [settings, setSettings] = useState(USUAL);
  const [, redraw] = useState(0);
  const game = useRef<Game | null>(null);
  const onset = useRef(0);
  const directions = directionsOf(classes);
  const current = activity === "trials" ? order[trials.length] : undefined;
  const imagined = activity === "game" ? (game.current?.wanted ?? null) : phase === "trial" ? (current ?? null) : null;

  const answer = (said: string | null, tookS: number | null) => {
    if (current === undefined) return;
    setTrials((all) => [...all, { asked: current, said, tookS }]);
    setPhase("pause");
  };

  // A trial goes from its cue to its end and to the pause behind it; without a session that acts it waits.
  useEffect(() => {
    if (activity !== "trials" || !acts) return;
    if (current === undefined) {
      setActivity("nothing");
      return;
    }
    const lasts = { pause: settings.pauseS, cue: settings.cueS, trial: settings.trialS }[phase];
    const timer = setTimeout(() => {
      if (phase === "pause") setPhase("cue");
      else if (phase === "cue") {
        onset.current = performance.now();
        live?.send({ type: "marker", name: "trial_start", t: live.clock.lsl(), data: { class: current } });
        setPhase("trial");
      } else answer(null, null);
    }, 1000 * lasts);
    return () => clearTimeout(timer);
  }, [activity, phase, trials.length, acts]);

  const shown = cued ?? imagined;
  useEffect(() => {
    if (person === null) return;
    const target = shown === null ? -1 : person.classes.indexOf(shown);
    call("put", "/v1/simulations/{id}/gaze", { path: { id: person.id }, body: { target: target < 0 ? null : target } }).catch((error: unknown) =>
      tell("warn", sentence(error)),
    );
  }, [shown, person?.id]);

  const take = (intent: Intent) => {
    if (intent.kind !== "class" || !acts) return;
    if (activity === "trials" && phase === "trial") answer(intent.label, (performance.now() - onset.current) / 1000);
    if (activity !== "game" || game.current === null || game.current.won) return;
    game.current.take(intent.label);
    if (game.current.won) tell("good", `Won: ${TARGETS_TO_WIN} targets in ${game.current.moves} moves, ${game.current.astray} of them astray.`);
    redraw((n) => n + 1);
  };

  return {
    activity,
    phase,
    asked: activity === "trials" && phase !== "pause" ? (current ?? null) : null,
    trials,
    nTrials: order.length,
    game: activity === "game" ? game.current : null,
    settings,
    set: (part) => setSettings((now) => ({ ...now, ...part })),
    directions,
    startTrials() {
      setTrials([]);
      setOrder(orderOf(classes, settings.perClass));
      setPhase("pause");
      setActivity("trials");
    },
    startGame() {
      game.current = new Game(directions);
      setActivity("game");
    },
    end: () => setActivity("nothing"),
    take,
  };
}
