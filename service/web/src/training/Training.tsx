// Training of classes: calibrate, practise, play; with a person or a simulated one.
import { useEffect, useState } from "preact/hooks";
import { call, sentence } from "../shared/api";
import { Calibration } from "../shared/calibrating/Calibration";
import { Frame } from "../shared/frame";
import { tell } from "../shared/notices";
import { useEarlierModel } from "../shared/useEarlierModel";
import { decoderOf, describeLink, recordedSession, useSession, type SessionHandle } from "../shared/useSession";
import { useSessionInAddress } from "../shared/useSessionInAddress";
import type { Cue, Intent, SessionView } from "../shared/wire";
import { named } from "../shared/words";
import { Person } from "./Person";
import { Practise } from "./Practise";
import { Progress } from "./Progress";
import { Stage } from "./Stage";
import { usePerson } from "./usePerson";
import { usePractice } from "./usePractice";

interface Classes {
  classes: string[];
  rest: string | null;
  model: string | null;
  recentre?: string;
}

/** The decoder's classes; none where it tells no classes apart. */
function classesOf(handle: SessionHandle): Classes {
  const decoder = decoderOf(handle) as Partial<Classes> | undefined;
  return { rest: null, model: null, ...decoder, classes: decoder?.classes ?? [] };
}

export function Training() {
  const [session, setSession] = useSessionInAddress();
  const [intent, setIntent] = useState<Intent | null>(null);
  const [cue, setCue] = useState<Cue | null>(null);
  const [calibrating, setCalibrating] = useState(false);
  const [view, setView] = useState<SessionView | null>(null);
  const handle = useSession(
    session,
    0,
    (decided) => {
      setIntent(decided);
      practice.take(decided);
    },
    setCue,
  );
  const { classes, rest, model, recentre } = classesOf(handle);
  const decoder = decoderOf(handle);
  const person = usePerson(handle.hello, setSession);
  const asks = calibrating && cue !== null && cue.phase !== "pause" && cue.phase !== "end" ? cue.label : null;
  const acts = handle.standing?.state === "running" && handle.link === "open" && !handle.held;
  const practice = usePractice({
    classes: classes.filter((label) => label !== rest),
    live: handle.live,
    acts,
    person: person.shown,
    cued: calibrating && cue?.phase === "trial" ? cue.label : null,
  });
  const earlier = useEarlierModel(session, handle.hello, named);

  useEffect(() => {
    if (session === null || handle.hello === null) return setView(null);
    call("get", "/v1/sessions/{id}", { path: { id: session } })
      .then(setView)
      .catch((error: unknown) => tell("warn", sentence(error)));
  }, [session, handle.hello]);

  const [link, tone] = describeLink(handle, session);
  return (
    <Frame
      page="/training"
      session={session}
      link={link}
      linkTone={tone}
      recording={recordedSession(handle, session)}
      held={handle.held}
      confirmed={handle.confirmed}
      onStop={handle.stop}
      moves="this page's trials and its game"
    >
      <h1 class="visually-hidden">Training</h1>
      <div class="training">
        <Stage
          asked={asks ?? practice.asked}
          directions={practice.directions}
          classes={classes}
          intent={intent}
          game={practice.game}
          halted={whyHalted(session, handle, classes)}
        />
        <div class="side">
          <Person person={person} decoder={decoder} busy={calibrating || practice.activity !== "nothing"} />
          {session !== null && classes.length > 0 && (
            <>
              <p class="soft row" data-model={model ?? ""}>
                Decodes by {named(decoder?.kind ?? "", model)}
                {earlier.name !== null && !calibrating && (
                  <button class="small" onClick={earlier.goBack}>
                    Back to {earlier.name}
                  </button>
                )}
              </p>
              <Recentring session={session} decoder={decoder} mode={recentre} />
              <Practise practice={practice} classes={classes} rest={rest} ready={acts && model !== null && !calibrating} />
              <Calibration
                session={session}
                view={view}
                cue={cue}
                clock={handle.live?.clock ?? null}
                live={acts && practice.activity === "nothing"}
                usual={{ name: "classes", source: "guided", blocks: 10, cueS: 1, trialS: 4, swap: true }}
                onGoing={setCalibrating}
                onEnded={() => undefined}
              />
              <Progress model={model} />
            </>
          )}
        </div>
      </div>
    </Frame>
  );
}

/** Whether covariances are centred on the session's own: it can be changed while the session runs. */
function Recentring({ session, decoder, mode }: { session: string; decoder: object | undefined; mode: string | undefined }) {
  if (mode === undefined) return null;
  const set = (recentre: string) => {
    const body = { decoder: { ...decoder, recentre } } as never;
    call("put", "/v1/sessions/{id}/model", { path: { id: session }, body })
      .then(() => tell("good", `Re-centring is ${recentre} now.`))
      .catch((error: unknown) => tell("bad", sentence(error)));
  };
  return (
    <label class="soft">
      Re-centre on today's signal
      <select value={mode} onChange={(event) => set(event.currentTarget.value)}>
        {["auto", "off", "running", "rest"].map((each) => (
          <option key={each}>{each}</option>
        ))}
      </select>
    </label>
  );
}

function whyHalted(session: string | null, { held, link, standing }: SessionHandle, classes: readonly string[]): string {
  if (session === null) return "Choose a session in the console, or try the simulated person.";
  if (held) return "The emergency stop holds.";
  if (link !== "open") return "There is no connection.";
  if (standing?.state !== "running") return `${standing?.state ?? "connecting"}: ${standing?.reason ?? ""}`;
  return classes.length ? "" : "This session's decoder tells no classes apart.";
}
