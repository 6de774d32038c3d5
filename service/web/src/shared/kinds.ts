// What is installed beside the service, as it says itself: a page knows no decoder by name.
import { useEffect, useState } from "preact/hooks";
import { call, sentence } from "./api";
import { tell } from "./notices";
import type { KindList, KindView } from "./wire";

const NONE: KindList = { kinds: [], broken: [] };

/** What is installed, and what of it cannot be used; none of both until the service has answered. */
export function useKinds(): KindList {
  const [found, setFound] = useState(NONE);
  useEffect(() => {
    call("get", "/v1/kinds")
      .then(setFound)
      .catch((error: unknown) => tell("warn", sentence(error)));
  }, []);
  return found;
}

export const decoderOf = ({ kinds }: KindList, kind: unknown): KindView | undefined =>
  kinds.find((each) => each.family === "decoders" && each.kind === kind);
