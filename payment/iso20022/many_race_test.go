//go:build race

package iso20022

// manyOrders are fewer where the race detector makes everything slow.
const manyOrders = 10_000
