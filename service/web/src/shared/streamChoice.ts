// A stream that was found, written into a configuration with its markers, or taken from one.
import { isPlain } from "./form/schema";
import type { Edit } from "./form/yaml";
import type { StreamView } from "./wire";

export const isSignal = (stream: StreamView) => stream.rate_hz > 0 && stream.format !== "string";

/** The markers that belong to a signal, where they can be told. */
function markersOf(signal: StreamView, all: StreamView[]): StreamView | null {
  return (
    all.find((each) => each.source_id === `${signal.source_id}-markers`) ??
    all.find((each) => each.type === "Markers" && each.host === signal.host) ??
    null
  );
}

/** What is to be changed to listen to a stream. */
export function choosing(stream: StreamView, all: StreamView[]): Edit[] {
  const markers = markersOf(stream, all);
  const named: Edit = stream.source_id
    ? { do: "set", at: ["stream", "source_id"], value: stream.source_id }
    : { do: "set", at: ["stream", "name"], value: stream.name };
  return [
    ...["name", "source_id", "uid", "host"].map((key): Edit => ({ do: "remove", at: ["stream", key] })),
    named,
    ...(stream.type === "EEG" ? [] : [{ do: "set", at: ["stream", "type"], value: stream.type } satisfies Edit]),
    markers
      ? { do: "set", at: ["markers"], value: { type: markers.type, source_id: markers.source_id } }
      : { do: "remove", at: ["markers"] },
  ];
}

/** The stream that a configuration names, where it was found. */
export function chosenIn(data: unknown, all: StreamView[]): StreamView | null {
  const wanted = isPlain(data) && isPlain(data["stream"]) ? data["stream"] : {};
  const keys = (["source_id", "name", "host", "uid"] as const).filter((key) => wanted[key] !== undefined && wanted[key] !== null);
  const found = all.filter((each) => isSignal(each) && keys.every((key) => each[key] === wanted[key]));
  return keys.length && found.length === 1 ? found[0]! : null;
}
