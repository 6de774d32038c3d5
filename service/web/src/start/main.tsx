// The page to start from.
import { render } from "preact";
import { Start } from "./Start";
import "../shared/style.css";
import "./start.css";

render(<Start />, document.getElementById("app")!);
