// The configuration that is being written: a text, and what it says. The form changes the text in one
// place at a time, and the text is what the form shows.
import { useMemo, useRef, useState } from "preact/hooks";
import { edited, readYaml, type Edit, type Located } from "../shared/form/yaml";

export interface Draft {
  text: string;
  /** What it says, or said when it could last be read. */
  data: unknown;
  /** Why it cannot be read. */
  faults: Located[];
  /** Changes when anything but the form changed it. */
  version: number;
  write: (text: string) => void;
  /** From the form. */
  edit: (edit: Edit) => void;
  /** From elsewhere. */
  change: (edits: Edit[]) => void;
}

export function useDraft(): Draft {
  const [text, setText] = useState("");
  const [version, setVersion] = useState(0);
  const last = useRef<unknown>({});
  const { data, errors } = useMemo(() => readYaml(text), [text]);
  if (!errors.length) last.current = data;
  const write = (now: string) => {
    setText(now);
    setVersion((n) => n + 1);
  };
  return {
    text,
    data: last.current,
    faults: errors,
    version,
    write,
    edit: (edit) => setText((now) => edited(now, edit)),
    change: (edits) => {
      setText((now) => edited(now, ...edits));
      setVersion((n) => n + 1);
    },
  };
}
