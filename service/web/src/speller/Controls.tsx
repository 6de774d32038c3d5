// What is to be done: spell or calibrate, which text or by which plan, and with whom.
import type { SessionHandle } from "../shared/useSession";
import type { SimulatedPerson } from "../shared/useSimulatedPerson";
import type { KindList } from "../shared/wire";
import { PlanInputs, whyNotPlan, type Plan } from "./Calibrate";
import { SMALLER, targetFor, type Layout } from "./layout";
import { ALL_TARGETS, personOf, SCREENS, sessionWith, type Screen } from "./participant";
import type { Mode as SpellingMode } from "./run";
import type { Calibrating } from "./useCalibration";

export type Mode = SpellingMode | "calibrate";

export interface Settings {
  mode: Mode;
  /** What is to be spelled. */
  phrase: string;
  /** What of the usual plan is to be otherwise. */
  plan: Partial<Plan>;
  /** What a simulated participant gets to see. */
  screen: Screen;
  /** How many targets a simulated participant gets to see. */
  nTargets: number;
}

export interface ControlsProps {
  plan: Plan;
  installed: KindList;
  settings: Settings;
  onSettings: (changed: Partial<Settings>) => void;
  layout: Layout | null;
  handle: SessionHandle;
  person: SimulatedPerson;
  calibrating: Calibrating;
  running: boolean;
  onStart: () => void;
  onEnd: () => void;
}

export function Controls(props: ControlsProps) {
  const { settings, onSettings, plan, installed, layout, handle, person, calibrating, running } = props;
  const { mode, phrase } = settings;
  const { fitting } = calibrating;
  const unwritten = layout && mode !== "calibrate" ? missingIn(phrase, layout) : "";
  const unplanned = layout && handle.hello && mode === "calibrate" ? whyNotPlan(plan, layout, handle.hello.config) : "";
  const ready = handle.standing?.state === "running" && unplanned === "" && (mode !== "copy" || (phrase !== "" && unwritten === ""));
  return (
    <>
      <div class="row">
        <select aria-label="Mode" value={mode} disabled={running} onChange={(event) => onSettings({ mode: event.currentTarget.value as Mode })}>
          <option value="copy">Copy-spelling</option>
          <option value="free">Free spelling</option>
          <option value="calibrate">Calibration</option>
        </select>
        {mode === "calibrate" ? (
          layout && (
            <PlanInputs
              plan={plan}
              layout={layout}
              installed={installed}
              disabled={running || fitting}
              onPlan={(changed) => onSettings({ plan: { ...settings.plan, ...changed } })}
            />
          )
        ) : (
          <label class="grow">
            {mode === "copy" ? "Text to copy" : person.id ? "What the simulated person wants to write" : "Wanted text, if it is to be scored"}
            <input class="grow" maxLength={60} value={phrase} disabled={running} onInput={(event) => onSettings({ phrase: event.currentTarget.value })} />
          </label>
        )}
        {calibrating.cancel ? (
          <button onClick={calibrating.cancel}>Cancel</button>
        ) : (
          <button class="main" onClick={running ? props.onEnd : props.onStart} disabled={!layout || fitting || (!running && !ready)}>
            {running ? "End" : "Start"}
          </button>
        )}
        <select
          aria-label="Screen of the simulated participant"
          value={settings.screen}
          disabled={person.starting || running}
          onChange={(event) => onSettings({ screen: event.currentTarget.value as Screen, plan: {} })}
        >
          {Object.entries(SCREENS).map(([screen, name]) => (
            <option key={screen} value={screen}>
              {name}
            </option>
          ))}
        </select>
        <select
          aria-label="Targets of the simulated participant's screen"
          value={settings.nTargets}
          disabled={person.starting || running}
          onChange={(event) => onSettings({ nTargets: Number(event.currentTarget.value) })}
        >
          {[...Object.keys(SMALLER).map(Number), ALL_TARGETS].map((n) => (
            <option key={n} value={n}>
              {n === ALL_TARGETS ? "all targets" : `${n} targets`}
            </option>
          ))}
        </select>
        <button onClick={() => void person.start(sessionWith(settings.screen, settings.nTargets), personOf(settings.screen))} disabled={person.starting || running || fitting}>
          {person.starting ? "Starting…" : "Simulated participant"}
        </button>
      </div>
      {unwritten && <p class="warn">No target writes {unwritten}.</p>}
      {unplanned && !running && <p class="warn">This calibration would be of no use: {unplanned}.</p>}
    </>
  );
}

/** Characters of a text that no target writes. */
function missingIn(text: string, layout: Layout): string {
  return [...new Set(text.toUpperCase())].filter((each) => targetFor(layout.labels, each) < 0).join(" ");
}
