package main

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/cloudflare/circl/sign/bls"

	"github.com/gelombang/gelombang/quota"
)

// The public keys of two chains of the League of Entropy, by chain hash. They
// are published by its members, and are here so that a check needs no network.
const (
	quicknet      = "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971"
	quicknetKey   = "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d1064510d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a"
	defaultNet    = "8990e7a9aaed2ffed73dbd7092123d6f289930540d7651336225dc172e51b2ce"
	defaultNetKey = "868f005eb8e6e4ca0a47c8a77ceaa5309a47978a7c71bc5cce96366b5d7a569937c529eeda66c7293784a9402801af31"
)

// chains says how a round of each known chain is signed. Another chain, such as
// one in a test, is added to a copy.
func chains() map[string]func(*quota.Beacon, *quota.Seed) error {
	return map[string]func(*quota.Beacon, *quota.Seed) error{
		quicknet: func(b *quota.Beacon, s *quota.Seed) error {
			return verifyRound[bls.KeyG2SigG1](quicknetKey, b.Round, "", s.Signature)
		},
		defaultNet: func(b *quota.Beacon, s *quota.Seed) error {
			return verifyRound[bls.KeyG1SigG2](defaultNetKey, b.Round, s.Previous, s.Signature)
		},
	}
}

// errUnchecked says why a signature was not checked.
type errUnchecked string

func (e errUnchecked) Error() string { return "the signature was NOT checked: " + string(e) }

// verifyBeacon checks the signature of the round. That the randomness is the
// digest of the signature, quota has checked.
func verifyBeacon(b *quota.Beacon, s *quota.Seed) error {
	verify, known := chains()[b.Chain]
	if !known {
		return errUnchecked("the chain is not one whose key is known here")
	}
	if s.Signature == "" {
		return errors.New("seed.json has no signature, which every round of this chain has")
	}
	return verify(b, s)
}

// verifyRound checks a BLS signature over SHA-256(previous signature, round),
// as drand makes it; an unchained scheme has no previous signature.
func verifyRound[K bls.KeyGroup](key string, round uint64, previous, signature string) error {
	keyBytes, err1 := hex.DecodeString(key)
	previousBytes, err2 := hex.DecodeString(previous)
	signatureBytes, err3 := hex.DecodeString(signature)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	public := new(bls.PublicKey[K])
	if err := public.UnmarshalBinary(keyBytes); err != nil {
		return fmt.Errorf("the key of the chain: %w", err)
	}
	message := sha256.Sum256(binary.BigEndian.AppendUint64(previousBytes, round))
	if !bls.Verify(public, message[:], signatureBytes) {
		return errors.New("the signature is not that of the round")
	}
	return nil
}
