// The speller: targets that flicker, each at its own frequency and phase, or that flash by a code, and
// what is decoded of them.
import { useState } from "preact/hooks";
import { Frame } from "../shared/frame";
import { useEarlierModel } from "../shared/useEarlierModel";
import { describeLink, recordedSession, SHOWN_AFTER_S, useSession } from "../shared/useSession";
import { useSessionInAddress } from "../shared/useSessionInAddress";
import { useSimulatedPerson, type PersonKind } from "../shared/useSimulatedPerson";
import { named } from "../shared/words";
import { useKinds } from "../shared/kinds";
import { Outcome, usualPlan } from "./Calibrate";
import { Controls, type Settings } from "./Controls";
import { Decodes } from "./Decodes";
import { Display } from "./Display";
import { Figures } from "./Figures";
import { ALL_TARGETS, writable } from "./participant";
import { Targets } from "./Targets";
import { useCalibration } from "./useCalibration";
import { useFlicker } from "./useFlicker";
import { useGaze } from "./useGaze";
import { useLayout } from "./useLayout";
import { useOnsets } from "./useOnsets";
import { useInterruption, useRun } from "./useRun";
import { useSpelling } from "./useSpelling";
import { useAccepted, Warning } from "./Warning";
import { Written } from "./Written";

const USUAL: Settings = { mode: "copy", phrase: "BCI", plan: {}, screen: "flicker", nTargets: ALL_TARGETS };

const PEOPLE: PersonKind[] = ["speller", "flashes"];

export function Speller() {
  const [accepted, accept] = useAccepted();
  const [session, setSession] = useSessionInAddress();
  const [settings, setSettings] = useState(USUAL);

  const run = useRun();
  const handle = useSession(session, run.goes ? 0 : SHOWN_AFTER_S, run.take);
  const layout = useLayout(session, handle.hello);
  const installed = useKinds();
  const plan = { ...usualPlan(layout), ...settings.plan };
  const person = useSimulatedPerson(PEOPLE, handle.hello, (made) => {
    setSession(made);
    setSettings((before) => ({ ...before, phrase: writable(before.phrase, before.nTargets) }));
  });
  const earlier = useEarlierModel(session, handle.hello, named);

  const flicker = useFlicker(layout, run);
  const onsets = useOnsets(handle.live, useGaze(person.id, layout), flicker, run);
  const spelling = useSpelling(session, run, onsets);
  const calibrating = useCalibration(session, handle.hello, installed, run, onsets);
  useInterruption(run, handle);

  const start = () => {
    const { mode, phrase } = settings;
    if (!layout) return;
    if (mode === "calibrate") {
      spelling.forgetChoices();
      calibrating.begin(layout, plan);
    } else {
      calibrating.forget();
      spelling.begin(layout, mode, phrase);
    }
  };

  const [link, tone] = describeLink(handle, session);
  return (
    <Frame
      page="/speller"
      session={session}
      link={link}
      linkTone={tone}
      recording={recordedSession(handle, session)}
      held={handle.held}
      confirmed={handle.confirmed}
      onStop={handle.stop}
      moves="this page: what is selected is written"
    >
      <h1 class="visually-hidden">Speller</h1>
      {!accepted ? (
        <Warning onAccept={accept} />
      ) : (
        <div class="speller">
          <Written spelling={spelling} language={layout?.language ?? null} session={session} />
          <Targets layout={layout} canvas={flicker.canvas} session={session} handle={handle} />
          <section class="card controls" aria-label="Spelling">
            <Controls
              settings={settings}
              plan={plan}
              installed={installed}
              onSettings={(changed) => setSettings((before) => ({ ...before, ...changed }))}
              layout={layout}
              handle={handle}
              person={person}
              calibrating={calibrating}
              running={run.goes}
              onStart={start}
              onEnd={() => run.interrupt("")}
            />
            {settings.mode === "calibrate" ? (
              <Outcome progress={calibrating.progress} />
            ) : (
              <Figures choices={spelling.choices} layout={layout} over={!run.goes && spelling.choices.length > 0} />
            )}
            {layout && <Decodes handle={handle} layout={layout} earlier={earlier} fixed={run.goes || calibrating.fitting} />}
            <Display layout={layout} flicker={flicker} uncertaintyS={handle.live?.clock.uncertainty ?? null} running={run.goes} />
          </section>
        </div>
      )}
    </Frame>
  );
}
