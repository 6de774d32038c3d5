// The cursor: tasks steered by what is decoded, with the mouse as the condition to compare with.
import { Frame } from "../shared/frame";
import { saveText } from "../shared/save";
import { useEarlierModel } from "../shared/useEarlierModel";
import { decoderOf, describeLink, recordedSession, SHOWN_AFTER_S, useSession, type SessionHandle } from "../shared/useSession";
import { useSessionInAddress } from "../shared/useSessionInAddress";
import { useSimulatedPerson, type PersonKind } from "../shared/useSimulatedPerson";
import { Calibrate } from "./Calibrate";
import { Results } from "./Results";
import { Steer } from "./Steer";
import type { Control } from "./steering";
import { csvOf } from "./task";
import { TaskCard } from "./TaskCard";
import { useGuidedCalibration, type GuidedCalibration } from "./useGuidedCalibration";
import { useStage } from "./useStage";
import { useArrowKeys, useSteering, whyStopped } from "./useSteering";
import { useTask, type TaskHandle } from "./useTask";
import { Workspace } from "./Workspace";

/** By its name where it has one: the page has decoders of one kind only. */
const nameOf = (decoder: string, model: string | null | undefined) => model ?? decoder;

const PEOPLE: PersonKind[] = ["cursor"];

export function Cursor() {
  const [session, setSession] = useSessionInAddress();
  const steer = useSteering(session === null ? "mouse" : "session");
  const { steering, control } = steer;
  const task = useTask();
  const handle = useSession(
    session,
    steer.byIntents ? 0 : SHOWN_AFTER_S,
    (intent) => {
      if (steer.take(intent)) stage.wake();
    },
    (cue) => guided.take(cue),
  );
  const guided = useGuidedCalibration(session, handle.hello, steer);
  const person = useSimulatedPerson(PEOPLE, handle.hello, (made) => {
    setSession(made);
    steer.setControl("session");
  });
  const earlier = useEarlierModel(session, handle.hello, nameOf);
  const stage = useStage({ steering, task, guided: guided.asked, live: handle.live, stopped: whyStopped(session, handle), person });
  useArrowKeys(steering, stage.wake);

  const start = () => {
    steering.centre();
    task.begin();
    stage.canvas.current?.focus();
  };

  const { name } = task.settings;
  const decoder = decoderOf(handle);
  const [link, tone] = session === null && control !== "session" ? steeredBy(control) : describeLink(handle, session);
  return (
    <Frame
      page="/cursor"
      session={session}
      link={link}
      linkTone={tone}
      recording={recordedSession(handle, session)}
      held={handle.held}
      confirmed={handle.confirmed}
      onStop={handle.stop}
      moves="this page's cursor, where the session steers it"
    >
      <h1 class="visually-hidden">Cursor</h1>
      <div class="cursor-page">
        <Workspace canvas={stage.canvas} steering={steering} halted={stage.halted} goesOn={whatGoesOn(task, guided)} wake={stage.wake} />
        <div class="side">
          <Steer steer={steer} session={session} person={person} calibrating={guided.going} />
          {control === "session" && session !== null && decoder && (
            <Calibrate
              guided={guided}
              decodes={nameOf(decoder.kind, decoder.model)}
              earlier={task.running ? null : earlier}
              ready={isRunning(handle) && !task.running}
            />
          )}
          <TaskCard task={task} startable={control !== "session" || session !== null} calibrating={guided.going} onStart={start} />
          <Results
            trials={task.trials}
            task={name}
            over={!task.running && task.trials.length > 0}
            onSave={() => saveText(`cursor-${name}-${control}.csv`, "text/csv", csvOf(task.trials, name, control))}
          />
        </div>
      </div>
    </Frame>
  );
}

const isRunning = (handle: SessionHandle) => handle.standing?.state === "running";

const steeredBy = (control: Control): [string, "good"] => [`steered by the ${control === "mouse" ? "mouse" : "arrow keys"}`, "good"];

function whatGoesOn(task: TaskHandle, guided: GuidedCalibration): string {
  if (task.running) return `Trial ${task.trials.length + 1} of ${task.settings.nTrials}`;
  return guided.going ? "Calibrating: bring the cursor to each target" : "Ready";
}
