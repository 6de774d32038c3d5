// From a headset to its use, one step after the other: connect, check, choose, use; and what was
// recorded. It always says the next step and how long that takes.
import { useEffect, useState } from "preact/hooks";
import { call, sentence } from "../shared/api";
import { Frame } from "../shared/frame";
import { tell } from "../shared/notices";
import { isFinal, isRecorded, useSessions } from "../shared/useSessions";
import type { SessionView } from "../shared/wire";
import { Again } from "./Again";
import { Check } from "./Check";
import { Choose } from "./Choose";
import { Connect } from "./Connect";
import type { Headset } from "./headset";
import { Review } from "./Review";
import { Running } from "./Running";

const STEPS = [
  ["connect", "Connect", "half a minute"],
  ["check", "Check", "a minute"],
  ["choose", "Choose", "half a minute"],
] as const;
type Place = (typeof STEPS)[number][0];

export function Start() {
  const { sessions, reached, refresh } = useSessions();
  const [place, setPlace] = useState<Place>("connect");
  const [headset, setHeadset] = useState<Headset | null>(null);
  const live = sessions.filter((each) => !isFinal(each.state));
  const recorded = sessions.filter(isRecorded);

  const connected = (found: Headset) => {
    setHeadset(found);
    setPlace("check");
  };
  return (
    <Frame
      page="/"
      session={live.length === 1 ? live[0]!.id : null}
      link={reached ? describe(live) : "the service does not answer"}
      linkTone={reached ? "good" : "bad"}
      recording={recorded.length ? recorded.map((each) => each.id).join(", ") : null}
      held={live.length > 0 && live.every((each) => each.held)}
      confirmed={live.every((each) => each.stop.confirmed)}
      onStop={live.length ? () => void stopAll(live, refresh) : null}
    >
      <h1 class="visually-hidden">Start</h1>
      <div class="start">
        {live.length > 0 ? <Running sessions={live} onChanged={refresh} /> : <Again />}
        <nav aria-label="Steps" class="steps-way">
          <ol>
            {STEPS.map(([name, title, time], number) => (
              <li key={name}>
                <button
                  aria-current={name === place ? "step" : undefined}
                  disabled={name !== "connect" && headset === null}
                  onClick={() => setPlace(name)}
                >
                  <b>
                    {number + 1}. {title}
                  </b>
                  <span class="soft">{time}</span>
                </button>
              </li>
            ))}
          </ol>
        </nav>
        <Lost headset={headset} onLost={() => setPlace("connect")} />
        {place === "connect" && <Connect onConnected={connected} />}
        {place === "check" && headset && <Check key={headset.stream.uid} headset={headset} onDone={() => setPlace("choose")} />}
        {place === "choose" && headset && <Choose headset={headset} />}
        <Review changed={sessions.length} />
      </div>
    </Frame>
  );
}

const describe = (live: SessionView[]) =>
  live.length === 0 ? "nothing runs yet" : live.length === 1 ? `${live[0]!.id}: ${live[0]!.state}` : `${live.length} sessions run`;

async function stopAll(sessions: SessionView[], refresh: () => void): Promise<void> {
  const told = await Promise.allSettled(
    sessions.map(({ id }) => call("post", "/v1/sessions/{id}/estop", { path: { id } })),
  );
  for (const each of told) if (each.status === "rejected") tell("bad", `The emergency stop is not confirmed: ${sentence(each.reason)}`);
  refresh();
}

const LOOK_EVERY_MS = 5000;

/** Say when the headset is gone: no step goes on without one. */
function Lost({ headset, onLost }: { headset: Headset | null; onLost: () => void }) {
  const [isGone, setGone] = useState(false);
  useEffect(() => {
    setGone(false);
    if (headset === null) return;
    const timer = window.setInterval(() => {
      call("get", "/v1/streams", { query: { wait: 1 } })
        .then(({ streams }) => setGone(!streams.some((each) => each.uid === headset.stream.uid)))
        .catch(() => undefined); // that the service does not answer is said above
    }, LOOK_EVERY_MS);
    return () => clearInterval(timer);
  }, [headset]);
  if (!isGone || headset === null) return null;
  return (
    <p role="alert" class="card bad">
      {headset.stream.name} is no longer there. Switch it on, or start its program again, and then{" "}
      <button class="small" onClick={onLost}>
        connect it anew
      </button>
      .
    </p>
  );
}
