// SPDX-License-Identifier: MIT

// A client of sidepoold in Go, on mangos: of sidepool's it uses proto/ alone. Run it as README.md says.
package main

import (
	"encoding/binary"
	"fmt"
	"log"
	"os"
	"time"

	pb "example.org/bank/sidepoolv1"
	"go.nanomsg.org/mangos/v3"
	"go.nanomsg.org/mangos/v3/protocol/req"
	_ "go.nanomsg.org/mangos/v3/transport/ipc"
	"google.golang.org/protobuf/proto"
)

// call sends a request and waits for its answer. With several goroutines, each needs a Context of the socket.
func call(socket mangos.Socket, request *pb.Request) (*pb.Response, error) {
	message, err := proto.Marshal(request)
	if err == nil {
		err = socket.Send(message)
	}
	if err != nil {
		return nil, fmt.Errorf("not sent: %w", err)
	}
	answer, err := socket.Recv()
	if err != nil {
		return nil, fmt.Errorf("sent, and not answered: outcome unknown: %w", err)
	}
	response := new(pb.Response)
	err = proto.Unmarshal(answer, response)
	if e := response.Error; err == nil && e != nil { // SQLSTATE, detail, hint and the rest stand in e.Sql
		return nil, fmt.Errorf("%s, SQLSTATE %s, %s: %s", e.Code, e.GetSql().GetSqlstate(), e.Outcome, e.Message)
	}
	return response, err
}

// statement packs values: each is its length, 32 bits, little-endian, and its bytes. NULL has the length -1.
func statement(sql string, values ...any) *pb.Statement {
	var packed []byte
	for _, value := range values {
		if text := fmt.Sprint(value); value == nil {
			packed = binary.LittleEndian.AppendUint32(packed, 0xffffffff)
		} else {
			packed = append(binary.LittleEndian.AppendUint32(packed, uint32(len(text))), text...)
		}
	}
	return &pb.Statement{Sql: []byte(sql), ParameterCount: uint32(len(values)), Parameters: packed}
}

func query(sql string, values ...any) *pb.Request {
	return &pb.Request{Kind: &pb.Request_Query{Query: &pb.Query{Statement: statement(sql, values...)}}}
}

// rows unpacks what statement packs.
func rows(result *pb.Result) (table [][]string) {
	rest := result.Rows
	for i := uint32(0); i < result.RowCount; i++ {
		var row []string
		for range result.Columns {
			size := int32(binary.LittleEndian.Uint32(rest))
			if rest = rest[4:]; size < 0 {
				row = append(row, "NULL")
			} else {
				row, rest = append(row, string(rest[:size])), rest[size:]
			}
		}
		table = append(table, row)
	}
	return table
}

func must(response *pb.Response, err error) *pb.Response {
	if err != nil {
		log.Fatal(err)
	}
	return response
}

func main() {
	socket, _ := req.NewSocket() // never fails
	// By default what is not answered within a minute is sent again, and no answer above 1 MiB is taken.
	must(nil, socket.SetOption(mangos.OptionRetryTime, time.Duration(0)))
	must(nil, socket.SetOption(mangos.OptionMaxRecvSize, 0))
	path, told := os.LookupEnv("SIDEPOOL_SOCKET")
	if !told {
		path = "/run/sidepool/rpc.sock"
	}
	must(nil, socket.Dial("ipc://"+path))

	hello := pb.Request_Hello{Hello: &pb.Hello{MinVersion: 1, MaxVersion: 1, ApplicationName: "bank-go"}}
	greeted := must(call(socket, &pb.Request{Kind: &hello})).GetHello()
	fmt.Println("hello:", greeted.Application, greeted.Pools)

	// A batch is one message, and with Atomic one transaction. One statement may have many sets of values.
	insert := statement("INSERT INTO bank_go VALUES ($1, $2)", "alice", 100, "bob", nil)
	insert.ParameterCount, insert.ParameterSets = 2, 2
	create := statement("CREATE TABLE bank_go (owner text PRIMARY KEY, balance int)")
	batch := pb.Request_Batch{Batch: &pb.Batch{Atomic: true, Statements: []*pb.Statement{create, insert}}}
	results := must(call(socket, &pb.Request{Kind: &batch})).Results
	fmt.Println("batch:", results[0].CommandTag, "and", results[1].AffectedRows, "rows")

	fmt.Println("query:", rows(must(call(socket, query("SELECT owner, balance FROM bank_go WHERE owner <> $1", "carol"))).Results[0]))

	// The first statement takes a lease and begins a transaction, the last one commits and gives it back.
	first := query("UPDATE bank_go SET balance = balance - $1::int WHERE owner = 'alice'", 30)
	first.Acquire = &pb.LeaseOptions{Begin: true}
	lease := must(call(socket, first)).Lease
	last := query("UPDATE bank_go SET balance = $1::int WHERE owner = 'bob' RETURNING balance", 30)
	last.Lease, last.Finish = &pb.LeaseRef{LeaseId: lease.LeaseId, Token: lease.Token}, pb.Finish_FINISH_COMMIT
	fmt.Println("transaction:", rows(must(call(socket, last)).Results[0]))

	_, err := call(socket, query("INSERT INTO bank_go VALUES ($1, 1)", "alice"))
	fmt.Println("error:", err)
	must(call(socket, query("DROP TABLE bank_go")))
}
