// What a page knows now, for callbacks that outlive the drawing in which they were made.
import { useRef } from "preact/hooks";

/** Give a reference that holds the value of the latest drawing. */
export function useLatest<T>(value: T): { readonly current: T } {
  const latest = useRef(value);
  latest.current = value;
  return latest;
}
