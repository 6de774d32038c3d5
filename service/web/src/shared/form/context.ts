// What every part of a form has at hand.
import { createContext, type ComponentChildren } from "preact";
import { useContext } from "preact/hooks";
import type { Path } from "./path";
import type { Schema } from "./schema";
import type { Edit, Located } from "./yaml";

export interface Form {
  root: Schema;
  errors: Located[];
  disabled: boolean;
  /** Changes when the configuration was changed elsewhere. */
  version: number;
  edit: (edit: Edit) => void;
  /** What may well be written in a place. */
  suggest: (path: Path) => string[];
  /** What is shown at the head of a place, by its path as the service writes it. */
  extras: Record<string, ComponentChildren>;
}

export const FormContext = createContext<Form | null>(null);

export function useForm(): Form {
  const form = useContext(FormContext);
  if (form === null) throw new Error("a field is shown in a form alone");
  return form;
}
