// Amounts, times and addresses as people read them. Amounts are whole numbers of the smallest unit, never floats.

const point = new Intl.NumberFormat().formatToParts(1.5).find(({ type }) => type === "decimal")?.value ?? ".";

/** The payment's amount, or another in its currency: with at least two fraction digits, where the currency has them. */
export function amountText({ amount, price_decimals: decimals }, units = BigInt(amount)) {
  const digits = units.toString().padStart(decimals + 1, "0");
  const whole = BigInt(digits.slice(0, digits.length - decimals)).toLocaleString();
  const fraction = digits.slice(digits.length - decimals).replace(/0+$/, "").padEnd(Math.min(2, decimals), "0");
  return fraction ? whole + point + fraction : whole;
}

/** Days and hours, or a clock. */
export function remainingText(ms) {
  const seconds = Math.floor(ms / 1000);
  const [days, hours, minutes] = [seconds / 86_400, (seconds / 3600) % 24, (seconds / 60) % 60].map(Math.floor);
  const two = (number) => String(number).padStart(2, "0");
  if (days > 0) return `${days} d ${hours} h`;
  return `${hours > 0 ? `${hours}:${two(minutes)}` : minutes}:${two(seconds % 60)}`;
}

/** An address, short enough to compare at a glance. */
export const shorten = (address) => `${address.slice(0, 6)}…${address.slice(-4)}`;
