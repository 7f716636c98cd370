// Marks that a panel of the page sets on masks, by their index: the list shows text and category, the picture the colour.

/** @type {Map<number, Viewer.Mark>} */
export const marks = new Map();
