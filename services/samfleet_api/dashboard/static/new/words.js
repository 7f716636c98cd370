import { count } from "/dashboard/static/format.js";

/** @param {number} number */
export const imagesOf = (number) => `${count(number)} ${number === 1 ? "image" : "images"}`;
