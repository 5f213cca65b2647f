//go:build !race

package paymenttest_test

// manyPeople are paid in the ordinary simulation.
const manyPeople = 200_000
