// Package formats keeps files of every format that the library has written, and reads
// them all with the library as it is now: see docs/compatibility.md. It has tests only.
package formats
