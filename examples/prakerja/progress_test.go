package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPlainProgressWritesAtMostOneLineASecond(t *testing.T) {
	var out bytes.Buffer
	now := time.Date(2020, 8, 8, 0, 0, 0, 0, time.UTC)
	p := newProgress(&out, false, func() time.Time { return now })
	p.advance(5) // outside a stage: nothing
	p.stage("register", 1000)
	for i := range int64(10) {
		now = now.Add(250 * time.Millisecond)
		p.advance(100 * (i + 1))
	}
	p.finish()
	p.finish()
	p.stage("draw", -1)
	p.finish()
	require.Equal(t, ""+
		"register                          400 / 1.000 (40%)\n"+
		"register                          800 / 1.000 (80%)\n"+
		"register                        1.000     2.5 s  400/s\n"+
		"draw                                0     0.0 s  0/s\n", out.String())
	require.Equal(t, []stageTime{{"register", 1000, 2500 * time.Millisecond}, {"draw", 0, 0}}, p.done)
}

func TestProgressBarShowsOnTerminal(t *testing.T) {
	for _, total := range []int64{10, -1, 0} {
		var out bytes.Buffer
		now := time.Date(2020, 8, 8, 0, 0, 0, 0, time.UTC)
		p := newProgress(&out, true, func() time.Time { now = now.Add(time.Second); return now })
		p.stage("join", total)
		p.advance(4)
		p.advance(12) // more than announced
		p.stage("next", total)
		p.finish()
		require.Contains(t, out.String(), "\r")
		require.Contains(t, out.String(), "join")
		require.True(t, strings.HasSuffix(out.String(), "/s\n"))
		require.EqualValues(t, 12, p.done[0].Items)
	}
}
