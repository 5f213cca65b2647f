//go:build race

package paymenttest_test

// manyPeople are fewer where the race detector makes everything slow.
const manyPeople = 10_000
