// The configuration as text, its lines numbered, and what the service finds wrong at the line of its
// key, from which one gets to it in the text or in the form.
import { useRef } from "preact/hooks";
import type { Located } from "../shared/form/yaml";

const LINE_PX = 18;

export interface YamlEditorProps {
  text: string;
  errors: Located[];
  onText: (text: string) => void;
}

export function YamlEditor({ text, errors, onText }: YamlEditorProps) {
  const area = useRef<HTMLTextAreaElement>(null);
  const gutter = useRef<HTMLDivElement>(null);
  const lines = text.split("\n");
  const wrong = new Set(errors.map((error) => error.line));
  const goTo = (line: number | null) => {
    const element = area.current;
    if (!element || line === null) return;
    const start = lines.slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
    element.focus();
    element.setSelectionRange(start, start + (lines[line - 1]?.length ?? 0));
    element.scrollTop = Math.max(0, (line - 4) * LINE_PX);
  };
  return (
    <>
      <label class="visually-hidden" for="yaml">
        Configuration, YAML
      </label>
      <div class="editor">
        <div class="gutter" aria-hidden="true" ref={gutter}>
          {lines.map((_, i) => (
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
          onInput={(event) => onText(event.currentTarget.value)}
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
              <button class="small" onClick={() => goToField(error.path)} aria-label={`Field of ${error.path}`}>
                field
              </button>{" "}
              <code>{error.path}</code>: {error.message}
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

/** Go to the field of a path, or to what it would stand in. */
function goToField(path: string): void {
  for (let at = path; at; at = at.replace(/(^|[.[])[^.[]*$/, "")) {
    const found = document.querySelector<HTMLElement>(`.schema-form [data-path="${CSS.escape(at)}"]`);
    if (!found) continue;
    for (let around = found.parentElement; around; around = around.parentElement) {
      if (around instanceof HTMLDetailsElement) around.open = true;
    }
    found.scrollIntoView({ block: "center" });
    (found.matches("input, select, fieldset") ? found : (found.querySelector<HTMLElement>("input, select, button") ?? found)).focus();
    return;
  }
}
