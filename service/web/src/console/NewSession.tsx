// A new session: from a preset, a file, or nothing, by a form and by the YAML beside it. Both are one
// configuration: what is changed in one is changed in the other.
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, call, sentence } from "../shared/api";
import { touches } from "../shared/form/path";
import { lineOf, type Edit, type Located } from "../shared/form/yaml";
import { tell } from "../shared/notices";
import type { PresetView, SessionView, StreamView } from "../shared/wire";
import { Kinds } from "./Kinds";
import { isRecorded, recording, SessionForm } from "./SessionForm";
import type { Draft } from "./useDraft";
import { YamlEditor } from "./YamlEditor";

const FIRST_PRESET = "fbcca-exo";
const MOST_BYTES = 1 << 20;

type Body = NonNullable<Parameters<typeof call<"/v1/sessions", "post">>[2]>["body"];
type Fault = Omit<Located, "line">;

export interface NewSessionProps {
  draft: Draft;
  found: StreamView[];
  onChoose: (stream: StreamView) => void;
  /** A preset or a file was taken: whatever stream is chosen goes into it. */
  onTaken: () => void;
  onMade: (session: SessionView) => void;
}

export function NewSession({ draft, found, onChoose, onTaken, onMade }: NewSessionProps) {
  const [presets, setPresets] = useState<PresetView[]>([]);
  const [preset, setPreset] = useState(FIRST_PRESET);
  const [faults, setFaults] = useState<Fault[]>([]);
  const [making, setMaking] = useState(false);
  const title = useRef<HTMLHeadingElement>(null);

  const take = (text: string) => {
    setFaults([]);
    draft.write(text);
    onTaken();
  };
  useEffect(() => {
    title.current?.focus({ preventScroll: true });
    call("get", "/v1/presets")
      .then((answer) => {
        setPresets(answer.presets);
        const first = answer.presets.find((each) => each.name === FIRST_PRESET);
        if (first && !draft.text) take(first.text);
      })
      .catch((error: unknown) => tell("bad", sentence(error)));
  }, []);

  const choosePreset = (name: string) => {
    setPreset(name);
    const chosen = presets.find((each) => each.name === name);
    if (chosen) take(chosen.text);
  };
  const open = async (file: File | undefined) => {
    if (!file) return;
    if (file.size > MOST_BYTES) tell("bad", `${file.name} is larger than 1 MiB`);
    else take(await file.text());
  };
  const make = async () => {
    setFaults(draft.faults);
    if (draft.faults.length) return;
    setMaking(true);
    try {
      const made = await call("post", "/v1/sessions", { body: draft.data as Body });
      setFaults([]);
      tell("good", `The session ${made.id} was made.`);
      onMade(made);
    } catch (error) {
      if (error instanceof ApiError && error.problem?.errors) setFaults(error.problem.errors);
      else tell("bad", sentence(error));
    } finally {
      setMaking(false);
    }
  };

  // What is being mended is wrong no longer, until the service has said so again.
  const edit = (edit: Edit) => {
    const place = edit.do === "remove" ? edit.at.slice(0, -1) : edit.at;
    setFaults((now) => now.filter((fault) => !touches(fault.path, place)));
    draft.edit(edit);
  };
  const errors = faults.map(({ path, message }): Located => ({ path, message, line: path === "(YAML)" ? (draft.faults[0]?.line ?? null) : lineOf(draft.text, path) }));
  const about = presets.find((each) => each.name === preset)?.about;
  return (
    <section class="card new" aria-labelledby="new-title">
      <h2 id="new-title" ref={title} tabIndex={-1}>
        New session
      </h2>
      <div class="row">
        <label>
          Preset
          <select value={preset} onChange={(event) => choosePreset(event.currentTarget.value)}>
            {presets.map((each) => (
              <option key={each.name} value={each.name}>
                {each.name}
              </option>
            ))}
          </select>
        </label>
        <label class="file">
          or a file
          <input type="file" accept=".yaml,.yml,text/yaml" onChange={(event) => void open(event.currentTarget.files?.[0])} />
        </label>
        <label class="grow">
          <input
            type="checkbox"
            checked={isRecorded(draft.data)}
            disabled={draft.faults.length > 0}
            onChange={(event) => draft.change([recording(draft.data, event.currentTarget.checked)])}
          />
          Record the signal
        </label>
        <button class="main" onClick={() => void make()} disabled={making || !draft.text.trim()}>
          {making ? "Making…" : "Make session"}
        </button>
      </div>
      {about && (
        <details class="soft">
          <summary>What it is for</summary>
          {about}
        </details>
      )}
      <Kinds />
      <div class="in-step">
        <div>
          <SessionForm draft={draft} errors={errors} found={found} onEdit={edit} onChoose={onChoose} />
        </div>
        <div class="beside">
          <YamlEditor text={draft.text} errors={errors} onText={draft.write} />
        </div>
      </div>
    </section>
  );
}
