// What decoded in a session before its present model, and the way back to it.
import { useEffect, useState } from "preact/hooks";
import { call, sentence } from "./api";
import { tell } from "./notices";
import type { Hello } from "./wire";

export interface EarlierModel {
  /** Null where nothing decoded before. */
  name: string | null;
  goBack(): void;
}

/** `nameOf` says what decodes by its decoder and model. */
export function useEarlierModel(
  session: string | null,
  hello: Hello | null,
  nameOf: (decoder: string, model: string | null | undefined) => string,
): EarlierModel {
  const [name, setName] = useState<string | null>(null);
  useEffect(() => {
    if (session === null || !hello) return;
    call("get", "/v1/sessions/{id}/model", { path: { id: session } })
      .then(({ earlier }) => setName(earlier[0] ? nameOf(earlier[0].decoder, earlier[0].model) : null))
      .catch((error: unknown) => tell("warn", sentence(error)));
  }, [session, hello]);

  const goBack = () => {
    if (session === null) return;
    call("post", "/v1/sessions/{id}/model/rollback", { path: { id: session } })
      .then((use) => tell("good", `${session} decodes by ${nameOf(use.decoder, use.model)} again.`))
      .catch((error: unknown) => tell("bad", sentence(error)));
  };
  return { name, goBack };
}
