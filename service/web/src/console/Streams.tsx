// Streams on the network, a simulated headset where there is none, and the choice of one.
import { useCallback, useEffect, useState } from "preact/hooks";
import { call, sentence } from "../shared/api";
import { tell } from "../shared/notices";
import type { SimulationView, StreamView } from "../shared/wire";
import { Look } from "./Look";
import { isSignal } from "../shared/streamChoice";

const LOOK_S = 1.0;

export interface StreamsProps {
  chosen: StreamView | null;
  found: StreamView[];
  onFound: (found: StreamView[]) => void;
  onChoose: (stream: StreamView, all: StreamView[]) => void;
  /** Something is to be set in a session's stream. */
  onSet: (settings: Record<string, unknown>) => void;
}

export function Streams({ chosen, found, onFound, onChoose, onSet }: StreamsProps) {
  const [looked, setLooked] = useState(false);
  const [looking, setLooking] = useState(false);
  const [examined, setExamined] = useState<StreamView | null>(null);
  const [simulations, setSimulations] = useState<SimulationView[]>([]);
  const [starting, setStarting] = useState(false);

  const look = useCallback(async () => {
    setLooking(true);
    try {
      const [answer, played] = await Promise.all([
        call("get", "/v1/streams", { query: { wait: LOOK_S } }),
        call("get", "/v1/simulations"),
      ]);
      onFound(answer.streams);
      setLooked(true);
      setSimulations(played.simulations);
      return answer.streams;
    } catch (error) {
      tell("bad", sentence(error));
      return [];
    } finally {
      setLooking(false);
    }
  }, []);
  useEffect(() => void look(), [look]);

  const simulate = async () => {
    setStarting(true);
    try {
      const view = await call("post", "/v1/simulations", { body: { kind: "recording", day: 0 } });
      const all = await look();
      const stream = all.find((each) => each.source_id === view.source_id);
      if (stream) onChoose(stream, all);
      tell("good", `${view.about}: ${view.source_id}`);
    } catch (error) {
      tell("bad", sentence(error));
    } finally {
      setStarting(false);
    }
  };
  const end = async (id: string) => {
    try {
      await call("delete", "/v1/simulations/{id}", { path: { id } });
      await look();
    } catch (error) {
      tell("bad", sentence(error));
    }
  };

  const signals = found.filter(isSignal);
  return (
    <section class="card" aria-labelledby="streams-title">
      <div class="row">
        <h2 id="streams-title" class="grow">
          Streams
        </h2>
        <button class="small" onClick={() => void look()} disabled={looking}>
          {looking ? "Looking…" : "Refresh"}
        </button>
        <button class="small" onClick={() => void simulate()} disabled={starting}>
          {starting ? "Starting…" : "Simulated headset"}
        </button>
      </div>
      {looked && !signals.length && (
        <p class="soft">
          No signal is on the network. Start your headset's LSL program and refresh, or try a simulated
          headset.
        </p>
      )}
      <ul class="streams" aria-label="Streams found">
        {signals.map((stream) => (
          <li key={stream.uid}>
            <button
              class="grow"
              aria-pressed={chosen?.uid === stream.uid}
              onClick={() => onChoose(stream, found)}
            >
              <strong>{stream.name}</strong>
              <span>
                {stream.type}, {stream.n_channels} channels, {stream.rate_hz} Hz, {stream.host}
              </span>
            </button>
            <button
              class="small"
              aria-label={`Examine ${stream.name}`}
              title="Look at this stream for half a minute, and say what it is"
              onClick={() => setExamined(stream)}
            >
              Examine
            </button>
            {simulations.some((each) => each.source_id === stream.source_id) && (
              <button class="small" aria-label={`End ${stream.name}`} onClick={() => void end(stream.source_id)}>
                End
              </button>
            )}
          </li>
        ))}
      </ul>
      {examined !== null && <Look key={examined.uid} stream={examined} onSet={onSet} onClose={() => setExamined(null)} />}
    </section>
  );
}
