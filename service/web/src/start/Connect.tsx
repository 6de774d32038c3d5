// Which headset: those on the network, what to do where there is none, and simulated people.
import { useCallback, useEffect, useState } from "preact/hooks";
import { call, sentence } from "../shared/api";
import { tell } from "../shared/notices";
import { isSignal } from "../shared/streamChoice";
import type { PersonKind } from "../shared/useSimulatedPerson";
import type { SimulationView, StreamView } from "../shared/wire";
import type { Headset } from "./headset";

const LOOK_S = 1;
const LOOK_EVERY_MS = 3000;
const PEOPLE: [PersonKind, string][] = [
  ["speller", "looks at what flickers"],
  ["flashes", "attends to what flashes"],
  ["imagery", "imagines movements"],
  ["cursor", "steers a cursor"],
];

export function Connect({ onConnected }: { onConnected: (headset: Headset) => void }) {
  const [found, setFound] = useState<StreamView[] | null>(null);
  const [people, setPeople] = useState<SimulationView[]>([]);
  const [starting, setStarting] = useState(false);
  const look = useCallback(async (): Promise<StreamView[]> => {
    try {
      const [{ streams }, { simulations }] = await Promise.all([
        call("get", "/v1/streams", { query: { wait: LOOK_S } }),
        call("get", "/v1/simulations"),
      ]);
      setFound(streams);
      setPeople(simulations);
      return streams;
    } catch (error) {
      tell("bad", sentence(error));
      return [];
    }
  }, []);
  useEffect(() => {
    void look();
    const timer = window.setInterval(() => document.hidden || void look(), LOOK_EVERY_MS);
    return () => clearInterval(timer);
  }, [look]);

  const personOf = (stream: StreamView) => people.find((each) => each.source_id === stream.source_id) ?? null;
  const simulate = async (kind: PersonKind) => {
    setStarting(true);
    try {
      const person = await call("post", "/v1/simulations", { body: { kind, day: 0 } });
      const all = await look();
      const stream = all.find((each) => each.source_id === person.source_id && isSignal(each));
      if (stream) onConnected({ stream, all, person });
      else tell("bad", "The simulated person's stream was not found; try again.");
    } catch (error) {
      tell("bad", sentence(error));
    } finally {
      setStarting(false);
    }
  };

  const signals = (found ?? []).filter(isSignal);
  return (
    <section class="card" aria-labelledby="connect-title">
      <h2 id="connect-title">Which headset is it?</h2>
      {found === null && <p role="status">Looking for headsets…</p>}
      {found !== null && !signals.length && <NoneFound />}
      <ul class="choices" aria-label="Headsets found">
        {signals.map((stream) => (
          <li key={stream.uid}>
            <button onClick={() => onConnected({ stream, all: found!, person: personOf(stream) })}>
              <b>{stream.name}</b>
              <span>
                {stream.n_channels} channels, {stream.rate_hz} samples a second, on {stream.host}
              </span>
            </button>
          </li>
        ))}
      </ul>
      <h3>No headset at hand?</h3>
      <p class="soft">A simulated person tries everything with you. Choose what this person can do.</p>
      <ul class="choices small-choices" aria-label="Simulated people">
        {PEOPLE.map(([kind, does]) => (
          <li key={kind}>
            <button disabled={starting} onClick={() => void simulate(kind)}>
              A person who {does}
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

function NoneFound() {
  return (
    <div role="status">
      <p class="warn">No headset is on the network yet. This page goes on looking.</p>
      <ul>
        <li>Switch the headset on, and connect it with its maker's program.</li>
        <li>
          In that program start the stream over LSL ("Lab Streaming Layer", often below <i>Networking</i> or <i>Streaming</i>).
        </li>
        <li>
          For an OpenBCI, Muse or another board without a program, <code>volition bridge</code> makes the stream.
        </li>
        <li>
          Is it on another computer? Both must be in one network, without a firewall between them. <code>volition doctor</code> looks for what
          is in the way.
        </li>
      </ul>
      <p>
        <a href="./docs/devices.html">What each device needs</a>
      </p>
    </div>
  );
}
