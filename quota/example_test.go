package quota_test

import (
	"fmt"

	"github.com/gelombang/gelombang/quota"
)

func ExampleApportion() {
	seats, err := quota.Apportion(10, []quota.Share{
		{Key: "north", Weight: 52},
		{Key: "south", Weight: 31},
		{Key: "islands", Weight: 4, Min: 1},
	}, nil)
	fmt.Println(seats, err)
	// Output: [6 3 1] <nil>
}
