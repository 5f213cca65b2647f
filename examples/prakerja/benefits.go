package main

import (
	"time"

	"github.com/gelombang/gelombang/payment"
	"github.com/gelombang/gelombang/program/calendar"
)

// normalMode is the day of wave 48, the first of the "skema normal".
var normalMode = calendar.Of(2023, time.February, 17)

// benefits are what the program promised, in two schemes. What a person gets is that of
// the legal date of the wave. The articles are not known here: the amounts are those that the
// program announced.
func benefits() payment.Benefits {
	const (
		first  = "besaran skema semi-bantuan sosial / amounts of the first scheme, 2020 to 2022"
		second = "besaran skema normal / amounts of the normal scheme, 2023 and 2024"
	)
	var begin calendar.Date // the first wave
	end := calendar.Of(2025, time.January, 1)
	return payment.Benefits{
		payment.Balance("training", payment.Rupiah(1_000_000)).Expires("12-15").Between(begin, normalMode, first),
		payment.Instalments("incentive", 4, payment.Rupiah(600_000)).Monthly().Between(begin, normalMode, first),
		payment.PerSurvey("survey", 3, payment.Rupiah(50_000)).Between(begin, normalMode, first),

		payment.Balance("training", payment.Rupiah(3_500_000)).Expires("12-15").Between(normalMode, end, second),
		payment.Instalments("incentive", 1, payment.Rupiah(600_000)).Between(normalMode, end, second),
		payment.PerSurvey("survey", 2, payment.Rupiah(50_000)).Between(normalMode, end, second),
	}
}
