// The console's page.
import { render } from "preact";
import { Console } from "./Console";
import "../shared/style.css";
import "./console.css";

render(<Console />, document.getElementById("app")!);
