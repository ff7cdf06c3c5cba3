// What the demo page uses of the widget.
import type { FrontdeskApi } from '../widget/src/widget';

declare global {
  interface Window {
    Frontdesk?: FrontdeskApi;
  }
}
