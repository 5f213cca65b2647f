//go:build !race

package iso20022

// manyOrders are written in the ordinary test of hostile names.
const manyOrders = 100_000
