// A calibration of a session: begun, followed by asking again until it has ended, and what it found.
// It goes by REST and not by the socket, so that a connection that is lost and comes back loses none
// of its steps.
import { call, UnreachableError } from "./api";
import type { CalibrationView } from "./wire";

const ASK_EVERY_MS = 400;

export type CalibrationBody = NonNullable<NonNullable<Parameters<typeof call<"/v1/sessions/{id}/calibrations", "post">>[2]>["body"]>;

/** Follow one to its end; `went` is told of every step. */
export async function follow(session: string, begun: CalibrationView, went: (view: CalibrationView) => void): Promise<CalibrationView> {
  let view = begun;
  while (view.ended_utc === null || view.ended_utc === undefined) {
    await new Promise((done) => setTimeout(done, ASK_EVERY_MS));
    try {
      view = await call("get", "/v1/sessions/{id}/calibrations/{cid}", { path: { id: session, cid: view.id } });
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error;
      continue;
    }
    went(view);
  }
  return view;
}

/** Begin one and follow it to its end. */
export async function calibrate(session: string, body: CalibrationBody, went: (view: CalibrationView) => void): Promise<CalibrationView> {
  const begun = await call("post", "/v1/sessions/{id}/calibrations", { path: { id: session }, body });
  went(begun);
  return follow(session, begun, went);
}

export function modelName(view: CalibrationView): string {
  return view.model ? `${view.model.name}@${view.model.version}` : "";
}

/** A figure of the model's scores; null where it has none of that name. */
export function scoreOfModel(view: CalibrationView, name: string): number | null {
  const found = (view.model?.scores as Record<string, unknown> | undefined)?.[name];
  return typeof found === "number" ? found : null;
}
