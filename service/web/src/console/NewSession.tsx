// A new session from a preset or from YAML that is written or opened here; what the service finds
// wrong is shown at the line of its key.
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, call, sentence } from "../shared/api";
import { tell } from "../shared/frame";
import type { PresetView, SessionView, StreamView } from "../shared/wire";
import { Kinds } from "./Kinds";
import { chooseStream, lineOf, readYaml, type Located } from "./yaml";

const FIRST_PRESET = "fbcca-exo";
const MOST_BYTES = 1 << 20;

type Body = NonNullable<Parameters<typeof call<"/v1/sessions", "post">>[2]>["body"];

/** What a configuration names as outputs, in either form that the service reads, and a recording. */
function withRecording(outputs: unknown): unknown {
  if (Array.isArray(outputs)) {
    const records = outputs.some((each: { kind?: unknown } | null) => each?.kind === "record");
    return records ? outputs : [...(outputs as unknown[]), { kind: "record" }];
  }
  if (outputs && typeof outputs === "object") return { ...outputs, record: true };
  return [{ kind: "record" }];
}

export interface NewSessionProps {
  stream: StreamView | null;
  all: StreamView[];
  onMade: (session: SessionView) => void;
}

export function NewSession({ stream, all, onMade }: NewSessionProps) {
  const [presets, setPresets] = useState<PresetView[]>([]);
  const [preset, setPreset] = useState(FIRST_PRESET);
  const [text, setText] = useState("");
  const [record, setRecord] = useState(false);
  const [errors, setErrors] = useState<Located[]>([]);
  const [making, setMaking] = useState(false);
  const area = useRef<HTMLTextAreaElement>(null);
  const gutter = useRef<HTMLDivElement>(null);

  useEffect(() => {
    call("get", "/v1/presets")
      .then((answer) => {
        setPresets(answer.presets);
        const first = answer.presets.find((each) => each.name === FIRST_PRESET);
        if (first) setText((now) => now || first.text);
      })
      .catch((error: unknown) => tell("bad", sentence(error)));
  }, []);

  const markersOf = (of: StreamView): StreamView | null =>
    all.find((each) => each.source_id === `${of.source_id}-markers`) ??
    all.find((each) => each.type === "Markers" && each.host === of.host) ??
    null;
  const withStream = (yaml: string) => (stream ? chooseStream(yaml, stream, markersOf(stream)) : yaml);
  useEffect(() => {
    if (stream) setText((now) => withStream(now));
  }, [stream]);

  const choosePreset = (name: string) => {
    setPreset(name);
    setErrors([]);
    const found = presets.find((each) => each.name === name);
    if (found) setText(withStream(found.text));
  };
  const open = async (file: File | undefined) => {
    if (!file) return;
    if (file.size > MOST_BYTES) tell("bad", `${file.name} is larger than 1 MiB`);
    else setText(await file.text());
    setErrors([]);
  };
  const make = async () => {
    const read = readYaml(text);
    setErrors(read.errors);
    if (read.errors.length) return;
    setMaking(true);
    try {
      const data = read.data as Record<string, unknown> | null;
      const recorded = data && typeof data === "object" && record;
      const body = (recorded ? { ...data, outputs: withRecording(data["outputs"]) } : data) as Body;
      const made = await call("post", "/v1/sessions", { body });
      tell("good", `The session ${made.id} was made.`);
      onMade(made);
    } catch (error) {
      if (error instanceof ApiError && error.problem?.errors) {
        setErrors(
          error.problem.errors.map(({ path, message }) => ({ path, message, line: lineOf(text, path) })),
        );
      } else tell("bad", sentence(error));
    } finally {
      setMaking(false);
    }
  };
  const goTo = (line: number | null) => {
    const element = area.current;
    if (!element || line === null) return;
    const start = text.split("\n").slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
    element.focus();
    element.setSelectionRange(start, start + (text.split("\n")[line - 1]?.length ?? 0));
    element.scrollTop = Math.max(0, (line - 4) * 18);
  };

  const wrong = new Set(errors.map((error) => error.line));
  const about = presets.find((each) => each.name === preset)?.about;
  return (
    <section class="card" aria-labelledby="new-title">
      <h2 id="new-title">New session</h2>
      <div class="row">
        <label class="grow">
          Preset
          <select class="grow" value={preset} onChange={(event) => choosePreset(event.currentTarget.value)}>
            {presets.map((each) => (
              <option key={each.name} value={each.name}>
                {each.name}
              </option>
            ))}
          </select>
        </label>
      </div>
      {about && (
        <details class="soft">
          <summary>What it is for</summary>
          {about}
        </details>
      )}
      <Kinds />
      <label class="file">
        or a file
        <input
          type="file"
          accept=".yaml,.yml,text/yaml"
          onChange={(event) => void open(event.currentTarget.files?.[0])}
        />
      </label>
      <label class="visually-hidden" for="yaml">
        Configuration, YAML
      </label>
      <div class="editor">
        <div class="gutter" aria-hidden="true" ref={gutter}>
          {text.split("\n").map((_, i) => (
            <span key={i} class={wrong.has(i + 1) ? "wrong" : ""}>
              {i + 1}
            </span>
          ))}
        </div>
        <textarea
          id="yaml"
          ref={area}
          spellcheck={false}
          autocomplete="off"
          wrap="off"
          value={text}
          aria-invalid={errors.length > 0}
          aria-describedby={errors.length ? "yaml-errors" : undefined}
          onInput={(event) => setText(event.currentTarget.value)}
          onScroll={(event) => gutter.current?.scrollTo(0, event.currentTarget.scrollTop)}
        />
      </div>
      {errors.length > 0 && (
        <ul id="yaml-errors" class="errors" role="alert">
          {errors.map((error, i) => (
            <li key={i}>
              <button class="small" onClick={() => goTo(error.line)} disabled={error.line === null}>
                {error.line === null ? "whole" : `line ${error.line}`}
              </button>{" "}
              <code>{error.path}</code>: {error.message}
            </li>
          ))}
        </ul>
      )}
      <div class="row">
        <label class="grow">
          <input type="checkbox" checked={record} onChange={(event) => setRecord(event.currentTarget.checked)} />
          Record the signal
        </label>
        <button class="main" onClick={() => void make()} disabled={making || !text.trim()}>
          {making ? "Making…" : "Make session"}
        </button>
      </div>
    </section>
  );
}
