package iso20022

import (
	"io"

	"github.com/gelombang/gelombang/payment"
)

// FileStatus is what a bank says of a file of orders as a whole.
type FileStatus struct {
	Version           Version // empty if the file has no namespace
	MessageID         string
	OriginalMessageID string
	// Status is empty if the bank speaks of single orders only.
	Status, Reason string
}

// OrderStatus is what a bank says of one order. BlockStatus is that of the block
// it is in.
type OrderStatus struct {
	EndToEndID, InstructionID string
	BlockID, BlockStatus      string
	Status, Reason            string
	ServicerReference         string
}

// StatusHandler takes a status report apart as it is read. A nil function is
// passed over. An error that one returns ends the reading and is returned. Block
// comes for a block whose status is given without its orders.
type StatusHandler struct {
	File  func(FileStatus) error
	Order func(OrderStatus) error
	Block func(OrderStatus) error
}

// Outcome maps a status code to what it proves of a payment. Only a rejection is
// final; an acceptance says that the bank took the order on, and the statement
// alone proves that it was paid. Any other code proves nothing: it is Doubt.
func Outcome(status string) payment.Event {
	switch status {
	case "RJCT":
		return payment.Reject
	case "ACCP", "ACSP", "ACSC", "ACCC", "ACWC":
		return payment.Accept
	}
	return payment.Doubt
}

// ReadPain002 reads a status report. Errors are *FileError, and those of the
// handler. A report that speaks of one order, or one block, twice is refused: which of
// the two is true nobody knows.
func ReadPain002(r io.Reader, h StatusHandler) error {
	s := newStatuses(h)
	if err := s.run(r, pain002, "pain.002.001.03", "pain.002.001.10"); err != nil {
		return err
	}
	return s.announce()
}

const (
	gMessageID field = iota + 1
	gOriginal
	gFileStatus
	gFileReason
	gBlock
	gBlockID
	gBlockStatus
	gBlockReason
	gOrder
	gEndToEnd
	gInstruction
	gStatus
	gReason
	gServicer
)

var pain002 = statusTree()

func statusTree() *node {
	root := &node{name: "Document"}
	const file, block = "CstmrPmtStsRpt/OrgnlGrpInfAndSts", "CstmrPmtStsRpt/OrgnlPmtInfAndSts+"
	const order = block + "/TxInfAndSts+"
	root.grow("CstmrPmtStsRpt/GrpHdr/MsgId", gMessageID)
	root.grow(file+"/OrgnlMsgId", gOriginal)
	root.grow(file+"/GrpSts", gFileStatus)
	root.grow(block, gBlock)
	root.grow(block+"/OrgnlPmtInfId", gBlockID)
	root.grow(block+"/PmtInfSts", gBlockStatus)
	root.grow(order, gOrder)
	root.grow(order+"/OrgnlEndToEndId", gEndToEnd)
	root.grow(order+"/OrgnlInstrId", gInstruction)
	root.grow(order+"/TxSts", gStatus)
	root.grow(order+"/AcctSvcrRef", gServicer)
	for path, f := range map[string]field{file: gFileReason, block: gBlockReason, order: gReason} {
		root.grow(path+"/StsRsnInf*/Rsn/Cd", f)
		root.grow(path+"/StsRsnInf*/Rsn/Prtry", f)
	}
	return root
}

type statuses struct {
	parser
	handler   StatusHandler
	file      FileStatus
	announced bool
	block     OrderStatus
	order     OrderStatus
	orders    int64
	blocks    references
	seen      references
}

func newStatuses(h StatusHandler) *statuses {
	s := &statuses{handler: h}
	s.open, s.value, s.shut = s.opened, s.valued, s.closed
	return s
}

func (s *statuses) opened(f field) error {
	switch f {
	case gBlock:
		s.block, s.orders = OrderStatus{}, 0
		return s.announce()
	case gOrder:
		s.orders++
		s.order = OrderStatus{BlockID: s.block.BlockID, BlockStatus: s.block.BlockStatus}
	}
	return nil
}

func (s *statuses) announce() error {
	if s.announced || s.handler.File == nil {
		return nil
	}
	s.announced = true
	s.file.Version = s.version
	return s.handler.File(s.file)
}

func (s *statuses) closed(f field) error {
	switch f {
	case gOrder:
		return s.endOrder()
	case gBlock:
		return s.endBlock()
	}
	return nil
}

func (s *statuses) endOrder() error {
	if name := s.order.name(); name != notProvided {
		if err := s.once(&s.seen, name); err != nil {
			return err
		}
	}
	if s.handler.Order == nil {
		return nil
	}
	return s.handler.Order(s.order)
}

// notProvided is what ISO 20022 writes for an end-to-end identification that there is not.
const notProvided = "NOTPROVIDED"

// name is what an order is known by: its reference, or else the instruction's.
func (o *OrderStatus) name() string {
	if o.InstructionID != "" && (o.EndToEndID == "" || o.EndToEndID == notProvided) {
		return notProvided + "/" + o.InstructionID // not another order's reference
	}
	return o.EndToEndID
}

func (s *statuses) endBlock() error {
	if err := s.once(&s.blocks, s.block.BlockID); err != nil || s.orders > 0 || s.handler.Block == nil {
		return err
	}
	return s.handler.Block(s.block)
}

// once refuses what has no name, and a name that comes again.
func (p *parser) once(of *references, name string) error {
	if name == "" {
		return p.refuse(RuleValue, nil)
	}
	isNew, fits := of.add(name)
	if !isNew {
		return p.refuse(RuleReference, nil)
	}
	if !fits {
		return p.refuse(RuleWidth, nil)
	}
	return nil
}

// valued keeps the first reason of several.
func (s *statuses) valued(f field, text []byte) error {
	target := map[field]*string{
		gMessageID: &s.file.MessageID, gOriginal: &s.file.OriginalMessageID, gFileStatus: &s.file.Status, gFileReason: &s.file.Reason,
		gBlockID: &s.block.BlockID, gBlockStatus: &s.block.BlockStatus, gBlockReason: &s.block.Reason,
		gEndToEnd: &s.order.EndToEndID, gInstruction: &s.order.InstructionID, gStatus: &s.order.Status, gReason: &s.order.Reason,
		gServicer: &s.order.ServicerReference,
	}[f]
	if target != nil && *target == "" {
		*target = string(text)
	}
	if f == gBlockStatus {
		s.block.Status = s.block.BlockStatus
	}
	return nil
}
