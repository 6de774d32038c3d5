// A guided calibration: the service asks for the targets and sees when they are reached; the page
// shows them, and the session's cursor where the session has it.
import { useRef, useState } from "preact/hooks";
import { sentence } from "../shared/api";
import { calibrate, cancelCalibration, modelName, type CalibrationBody } from "../shared/calibration";
import { tell } from "../shared/notices";
import type { CalibrationView, Cue, Hello } from "../shared/wire";
import type { Asked } from "./draw";
import { Guide, planOf, Scale } from "./guide";
import type { Point } from "./task";
import type { SteeringHandle } from "./useSteering";

/** The rapid calibration of docs/protocol.md. */
const USUAL_SECONDS = 180;
const HELP_EVERY_MS = 500;
const MODEL = "cursor";

export interface GuidedCalibration {
  seconds: number;
  setSeconds(seconds: number): void;
  view: CalibrationView | null;
  going: boolean;
  /** Share of what goes astray that is taken off now. */
  help: number;
  begin(): void;
  cancel(): void;
  take(cue: Cue): void;
  /** What is asked for now, as it is drawn for a cursor in its place. */
  asked(cursor: Point): Asked | null;
}

export function useGuidedCalibration(session: string | null, hello: Hello | null, { steering, setControl }: SteeringHandle): GuidedCalibration {
  const [seconds, setSeconds] = useState(USUAL_SECONDS);
  const [view, setView] = useState<CalibrationView | null>(null);
  const [going, setGoing] = useState(false);
  const [help, setHelp] = useState(0);
  const current = useRef<Guide | null>(null);

  const begin = async () => {
    if (session === null) return;
    const [plan, scale] = [planOf(seconds), new Scale(hello?.config ?? null)];
    const guide = new Guide(plan, scale);
    current.current = guide;
    steering.follows = (position) => scale.point(position);
    setControl("session");
    setView(null);
    setGoing(true);
    setHelp(guide.help);
    const ticking = setInterval(() => setHelp(guide.help), HELP_EVERY_MS);
    try {
      const body = { name: MODEL, source: "guided", guided: { cursor: plan }, swap: true } as unknown as CalibrationBody;
      const ended = await calibrate(session, body, (now) => {
        if (now.state !== "guiding") guide.target = null;
        setView(now);
      });
      if (ended.state === "done") tell("good", `${session} decodes by ${modelName(ended)} now.`);
    } catch (error) {
      tell("bad", `The calibration failed: ${sentence(error)}`);
    } finally {
      clearInterval(ticking);
      current.current = null;
      steering.follows = null;
      setGoing(false);
    }
  };

  return {
    seconds,
    setSeconds,
    view,
    going,
    help,
    begin: () => void begin(),
    cancel: () => view && cancelCalibration(view),
    take: (cue) => current.current?.take(cue),
    asked: (cursor) => current.current?.asked(cursor) ?? null,
  };
}
