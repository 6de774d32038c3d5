// The training's page.
import { render } from "preact";
import { Training } from "./Training";
import "../shared/style.css";
import "./training.css";

render(<Training />, document.getElementById("app")!);
