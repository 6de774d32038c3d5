// The simulated person whose signal a session decodes, if it is one's: the page goes on showing them
// the screen.
import { useEffect, useState } from "preact/hooks";
import { call, sentence } from "./api";
import { tell } from "./frame";
import type { Hello, SimulationView } from "./wire";

export function useSimulation(kind: SimulationView["kind"], hello: Hello | null) {
  const [simulation, setSimulation] = useState<string | null>(null);
  useEffect(() => {
    const source = hello?.config.stream.source_id;
    if (!source) return;
    call("get", "/v1/simulations")
      .then(({ simulations }) => {
        setSimulation(simulations.find((each) => each.source_id === source && each.kind === kind)?.id ?? null);
      })
      .catch((error: unknown) => tell("warn", sentence(error)));
  }, [hello]);
  return [simulation, setSimulation] as const;
}
