// Package dbtest proves the SQL store on real databases. It is a module of its
// own, so that nobody who imports the library imports a driver.
package dbtest
