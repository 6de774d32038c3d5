// What goes over the wire, by the names of the service's own documents. The types are written by
// the build from those documents: what the service no longer says does not compile here.
import type { components as RestComponents, paths } from "../../generated/openapi";
import type { components as SocketComponents } from "../../generated/socket";

type Rest = RestComponents["schemas"];
type Socket = SocketComponents["schemas"];

export type { paths };
export type SessionView = Rest["SessionView"];
export type SessionState = Rest["SessionState"];
export type StateView = Rest["StateView"];
export type StreamView = Rest["StreamView"];
export type QualityView = Rest["QualityView"];
export type PresetView = Rest["PresetView"];
export type KindView = Rest["KindView"];
export type KindList = Rest["KindList"];
export type CalibrationView = Rest["CalibrationView"];
export type Manifest = Rest["Manifest"];
export type ModelUse = Rest["ModelUse"];
export type SpectrumView = Rest["SpectrumView"];
export type CodeBookView = Rest["CodeBookView"];
export type LookView = Rest["LookView"];
export type CheckView = Rest["CheckView"];
export type RecordingView = Rest["RecordingView"];
export type FindingView = Rest["FindingView"];
export type SimulationView = Rest["SimulationView"];
export type Problem = Rest["Problem"];
export type ProblemError = Rest["ProblemError"];

export type ServerMessage = Socket["ServerMessage"];
export type ClientMessage = Socket["ClientMessage"];
export type Hello = Socket["Hello"];
export type Status = Socket["Status"];
export type Cue = Socket["CueMessage"];
export type SignalHello = Socket["SignalHello"];
export type CursorIntent = Socket["CursorIntent"];
export type SelectionIntent = Socket["SelectionIntent"];
export type Intent =
  | Socket["CursorIntent"]
  | Socket["SelectionIntent"]
  | Socket["ClassIntent"]
  | Socket["ClickIntent"]
  | Socket["IdleIntent"];

export const PROTOCOL: Hello["protocol"] = "volition.v1.json";
