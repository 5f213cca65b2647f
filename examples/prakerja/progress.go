package main

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress shows how far a run is: a bar for each stage on a terminal, plain
// lines elsewhere. It remembers how long every stage took.
type progress struct {
	w        io.Writer
	terminal bool
	clock    func() time.Time

	bar     *progressbar.ProgressBar
	now     stageTime
	total   int64
	started time.Time
	shown   time.Time
	open    bool
	done    []stageTime
}

// stageTime is what a stage did, and how long it took.
type stageTime struct {
	Name  string
	Items int64
	Took  time.Duration
}

// Rate is the number of items in a second, 0 if that cannot be said.
func (s stageTime) Rate() float64 {
	if s.Took <= 0 {
		return 0
	}
	return float64(s.Items) / s.Took.Seconds()
}

func newProgress(w io.Writer, terminal bool, clock func() time.Time) *progress {
	return &progress{w: w, terminal: terminal, clock: clock}
}

// stage begins a stage; one that is still open ends. A total below 1 is unknown.
func (p *progress) stage(name string, total int64) {
	p.finish()
	p.now, p.total, p.open = stageTime{Name: name}, total, true
	p.started = p.clock()
	p.shown = p.started
	if !p.terminal {
		return
	}
	if total < 1 {
		total = -1
	}
	p.bar = progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(p.w), progressbar.OptionSetDescription(fmt.Sprintf("%-24s", name)),
		progressbar.OptionSetWidth(28), progressbar.OptionShowCount(), progressbar.OptionShowIts(),
		progressbar.OptionSetItsString("people"), progressbar.OptionSetPredictTime(total > 0),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(),
		progressbar.OptionSpinnerType(14), progressbar.OptionSetSpinnerChangeInterval(0))
	p.bar.StartWithoutRender() // the rate counts from here, not from the first chunk
}

// advance says how many items of the stage are done so far. Outside a stage it
// does nothing.
func (p *progress) advance(done int64) {
	if !p.open {
		return
	}
	p.now.Items = max(p.now.Items, done)
	if p.bar != nil {
		if p.total > 0 {
			done = min(done, p.total-1) // the bar ends with finish, not before
		}
		_ = p.bar.Set64(max(done, 0)) // a bar that cannot be shown stops nothing
		return
	}
	if p.clock().Sub(p.shown) >= time.Second {
		p.shown = p.clock()
		p.line("")
	}
}

// finish ends the stage, if one is open.
func (p *progress) finish() {
	if !p.open {
		return
	}
	p.open = false
	p.now.Took = p.clock().Sub(p.started)
	p.done = append(p.done, p.now)
	if p.bar != nil {
		_ = p.bar.Clear()
		p.bar = nil
	}
	p.line(fmt.Sprintf("  %s  %s/s", seconds(p.now.Took), thousands(int64(p.now.Rate()))))
}

// line writes where the stage is. A writer that fails stops nothing.
func (p *progress) line(end string) {
	of := ""
	if end == "" && p.total > 0 {
		of = fmt.Sprintf(" / %s (%d%%)", thousands(p.total), 100*p.now.Items/p.total)
	}
	fmt.Fprintf(p.w, "%-24s %12s%s%s\n", p.now.Name, thousands(p.now.Items), of, end)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%6.1f s", d.Seconds()) }
