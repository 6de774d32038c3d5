// Streams on the network, a simulated headset where there is none, and the choice of one.
import { useCallback, useEffect, useState } from "preact/hooks";
import { call, sentence } from "../shared/api";
import { tell } from "../shared/frame";
import type { SimulationView, StreamView } from "../shared/wire";

const LOOK_S = 1.0;

export interface StreamsProps {
  chosen: StreamView | null;
  onChoose: (stream: StreamView, all: StreamView[]) => void;
}

export function Streams({ chosen, onChoose }: StreamsProps) {
  const [streams, setStreams] = useState<StreamView[] | null>(null);
  const [looking, setLooking] = useState(false);
  const [simulations, setSimulations] = useState<SimulationView[]>([]);
  const [starting, setStarting] = useState(false);

  const look = useCallback(async () => {
    setLooking(true);
    try {
      const [found, played] = await Promise.all([
        call("get", "/v1/streams", { query: { wait: LOOK_S } }),
        call("get", "/v1/simulations"),
      ]);
      setStreams(found.streams);
      setSimulations(played.simulations);
      return found.streams;
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
      const view = await call("post", "/v1/simulations", { body: { kind: "recording" } });
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

  const signals = (streams ?? []).filter((stream) => stream.rate_hz > 0);
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
      {streams !== null && !signals.length && (
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
              onClick={() => onChoose(stream, streams ?? [])}
            >
              <strong>{stream.name}</strong>
              <span>
                {stream.type}, {stream.n_channels} channels, {stream.rate_hz} Hz, {stream.host}
              </span>
            </button>
            {simulations.some((each) => each.source_id === stream.source_id) && (
              <button class="small" aria-label={`End ${stream.name}`} onClick={() => void end(stream.source_id)}>
                End
              </button>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
