// Verifydraw redoes a draw from its proof folder and names the first
// difference. The folder has the files of docs/draw.md.
//
//	go run ./examples/verifydraw DIR
//
// Exit code: 0 the result follows from the roll, the plan and the seed; 1 it
// does not; 2 wrong usage. verify_draw.py does the same without this library.
package main

import (
	"fmt"
	"io/fs"
	"os"

	"github.com/gelombang/gelombang/quota"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: verifydraw DIR")
		os.Exit(2)
	}
	if err := verify(os.DirFS(os.Args[1])); err != nil {
		fmt.Println("REFUSED", err)
		os.Exit(1)
	}
}

func verify(dir fs.FS) error {
	if err := quota.VerifyProof(dir); err != nil {
		return err
	}
	data, err := fs.ReadFile(dir, quota.ManifestFile)
	if err != nil {
		return err
	}
	manifest, err := quota.ParseManifest(data)
	if err != nil {
		return err
	}
	digest, err := manifest.Digest()
	if err != nil {
		return err
	}
	fmt.Printf("OK draw %d of wave %s: the result follows from the roll, the plan and the seed\n", manifest.Number, manifest.Wave)
	fmt.Printf("manifest %s   compare with what was published before the draw\n", digest)
	if b := manifest.Source.Beacon; b != nil {
		fmt.Printf("seed: compare with round %d of %s (signature not checked here)\n", b.Round, b.Name)
		return nil
	}
	fmt.Println("seed: compare with the numbers that the witnesses published")
	return nil
}
