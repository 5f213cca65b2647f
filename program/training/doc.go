// Package training is for programs that pay for courses: partners, vouchers against a
// balance, attendance, and certificates that anybody can check.
package training
