// Panels that other features add beside the mask list of the viewer's page. Each returns an element, or null if it has
// nothing to show for this image.

import { reviewPanel } from "/dashboard/static/review/panel.js";

/** @type {Viewer.PanelFactory[]} */
export const panels = [reviewPanel];
