// Command withpostgres runs a command with a throwaway PostgreSQL server, whose
// address it puts into TEST_DATABASE_URL:
//
//	go run ./program/sqlstore/dbtest/withpostgres sh -c 'go run ./examples/prakerja -db "$TEST_DATABASE_URL"'
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/gelombang/gelombang/program/sqlstore/dbtest"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "withpostgres:", err)
		os.Exit(1)
	}
}

func run(args []string) (err error) {
	if len(args) == 0 {
		return errors.New("usage: withpostgres COMMAND [ARGUMENT ...]")
	}
	dir, err := os.MkdirTemp("", "gelombang-postgres-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	url, missing, stop, err := dbtest.StartPostgreSQL(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	if missing != "" {
		return errors.New(missing)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "TEST_DATABASE_URL="+url)
	return cmd.Run()
}
