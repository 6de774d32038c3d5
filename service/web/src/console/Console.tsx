// The console: find a stream, make a session, see its signal and what is decoded from it.
import { useEffect, useRef, useState } from "preact/hooks";
import { call, sentence } from "../shared/api";
import { Frame } from "../shared/frame";
import { tell } from "../shared/notices";
import { decoderOf, describeLink, SHOWN_AFTER_S, useSession } from "../shared/useSession";
import { useSessionInAddress } from "../shared/useSessionInAddress";
import type { Cue, Intent, StreamView } from "../shared/wire";
import { Calibration } from "../shared/calibrating/Calibration";
import { Decided } from "./Decided";
import { HeadPlot } from "./HeadPlot";
import { LatencyChart } from "./Latency";
import { Models } from "./Models";
import { NewSession } from "./NewSession";
import { choosing } from "../shared/streamChoice";
import { Quality, Scope } from "./Scope";
import { Sessions } from "./Sessions";
import { Spectrum } from "./Spectrum";
import { StateCard } from "./StateCard";
import { Streams } from "./Streams";
import { useDraft } from "./useDraft";
import { isFinal, isRecorded, useSessions } from "../shared/useSessions";
import { useSessionState } from "./useSessionState";

export function Console() {
  const { sessions, reached, refresh } = useSessions();
  const [session, setSession] = useSessionInAddress();
  const [stream, setStream] = useState<StreamView | null>(null);
  const [found, setFound] = useState<StreamView[]>([]);
  const [wantsNew, setWantsNew] = useState(false);
  const draft = useDraft();
  const take = useRef<((intent: Intent) => void) | null>(null);
  const [cue, setCue] = useState<Cue | null>(null);
  const [nCalibrated, setNCalibrated] = useState(0);
  const [calibrating, setCalibrating] = useState(false);

  const handle = useSession(session, SHOWN_AFTER_S, (intent) => take.current?.(intent), setCue);
  // With one session there is nothing to choose.
  useEffect(() => {
    const live = sessions.filter((each) => !isFinal(each.state));
    if (session === null && live.length === 1) setSession(live[0]!.id);
  }, [sessions, session]);

  const view = sessions.find((each) => each.id === session) ?? null;
  const state = useSessionState(session, reached);
  const [link, tone] = reached ? describeLink(handle, session) : ["the service does not answer", "bad" as const];
  const decoder = decoderOf(handle);
  const live = handle.link === "open" && !isFinal(handle.standing?.state ?? "created");
  const recorded = sessions.filter(isRecorded);

  const act = async (what: "stop" | "delete") => {
    if (session === null) return;
    try {
      if (what === "stop") await call("post", "/v1/sessions/{id}/stop", { path: { id: session } });
      else {
        await call("delete", "/v1/sessions/{id}", { path: { id: session } });
        setSession(null);
      }
      refresh();
    } catch (error) {
      tell("bad", sentence(error));
    }
  };

  const choose = (chosen: StreamView, all: StreamView[]) => {
    setStream(chosen);
    draft.change(choosing(chosen, all));
  };
  const goTo = (id: string) => {
    setSession(id);
    setWantsNew(false);
  };

  return (
    <Frame
      page="/console"
      session={session}
      link={link}
      linkTone={tone}
      recording={recorded.length ? recorded.map((each) => each.id).join(", ") : null}
      held={handle.held}
      confirmed={handle.confirmed}
      onStop={handle.stop}
    >
      <h1 class="visually-hidden">Console</h1>
      <div class="console">
        <div class="left">
          <Sessions sessions={sessions} chosen={session} onChoose={goTo} onNew={session === null || wantsNew ? null : () => setWantsNew(true)} />
          <Streams
            chosen={stream}
            found={found}
            onFound={setFound}
            onChoose={choose}
            onSet={(settings) => {
              draft.change(Object.entries(settings).map(([key, value]) => ({ do: "set", at: ["stream", key], value })));
              setWantsNew(true);
            }}
          />
        </div>
        {session === null || wantsNew ? (
          <div class="making">
            {session === null && <NoSession />}
            <NewSession
              draft={draft}
              found={found}
              onChoose={(chosen) => choose(chosen, found)}
              onTaken={() => stream && draft.change(choosing(stream, found))}
              onMade={(made) => {
                refresh();
                goTo(made.id);
              }}
            />
          </div>
        ) : (
          <>
            <div class="middle">
              <StateCard view={view} handle={handle} state={state} onStop={() => void act("stop")} onDelete={() => void act("delete")} />
              <Scope key={session} session={session} quality={state?.quality ?? []} />
              <section class="card" aria-labelledby="latency-title">
                <h2 id="latency-title">Latency by step</h2>
                <LatencyChart key={session} state={state} />
              </section>
              <Spectrum key={`spectrum ${session}`} session={session} live={live} />
              <Models
                session={session}
                version={`${decoder?.kind} ${decoder?.model ?? decoder?.network} ${nCalibrated}`}
                signal={state?.signal ?? null}
                live={live}
                calibrating={calibrating}
              />
              <Calibration
                key={`calibration ${session}`}
                session={session}
                view={view}
                cue={cue}
                clock={handle.live?.clock ?? null}
                live={live}
                onGoing={setCalibrating}
                onEnded={() => setNCalibrated((n) => n + 1)}
              />
            </div>
            <div class="right">
              <Decided key={session} kind={view?.config.decoder.kind ?? null} state={state} take={take} />
              <section class="card" aria-labelledby="quality-title">
                <h2 id="quality-title">Quality by channel</h2>
                <HeadPlot quality={state?.quality ?? []} />
                <Quality quality={state?.quality ?? []} />
              </section>
            </div>
          </>
        )}
      </div>
    </Frame>
  );
}

function NoSession() {
  return (
    <section class="card">
      <h2>No session is chosen</h2>
      <p>
        Choose a stream (or a simulated headset), then make a session: its signal, its decisions and
        its state appear here.
      </p>
      <p>
        <a href="./speller">Speller</a> and <a href="./cursor">cursor</a> work on the session that is chosen
        here; the cursor can be tried with the mouse alone.
      </p>
    </section>
  );
}
