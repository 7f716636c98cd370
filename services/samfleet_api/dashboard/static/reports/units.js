import { count, milliseconds, percent } from "/dashboard/static/format.js";

/** @type {(format: (value: number) => string) => (value: number | null | undefined) => string} */
const orDash = (format) => (value) => (value === null || value === undefined ? "–" : format(value));
export const ms = orDash(milliseconds);
export const share = orDash(percent);
/** @param {number} places */
export const decimals = (places) =>
  orDash((value) => value.toLocaleString("en", { minimumFractionDigits: places, maximumFractionDigits: places }));
export const whole = orDash((value) => count(Math.round(value)));
export const significant = orDash((value) => value.toLocaleString("en", { maximumSignificantDigits: 3 }));
/** @type {(value: number | null | undefined, currency: string | null | undefined) => string} */
export const money = (value, currency) =>
  value === null || value === undefined ? "–" : `${significant(value)} ${currency ?? ""}`.trim();

/**
 * @template {string} Field
 * @param {string} title
 * @param {Field} field
 * @param {(value: number | null | undefined) => string} format
 * @returns {Dom.Column<{ [Name in Field]: number | null | undefined }>}
 */
export const number = (title, field, format) => ({ title, number: true, value: (row) => format(row[field]) });
export const images = [number("Images", "n", whole), number("Failed", "failures", whole)];
