//go:build !race

package eligibility_test

const racing = false
