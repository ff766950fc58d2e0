/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What is done with each kind of request: one function for each, in a file of its own, called once
 * with the decoded message.
 */

struct request;

void admin_handle(struct request *r);
void batch_handle(struct request *r);
void cancel_handle(struct request *r);
void copy_data_handle(struct request *r);
void copy_in_handle(struct request *r);
void copy_out_handle(struct request *r);
void fetch_handle(struct request *r);
void health_handle(struct request *r);
void hello_handle(struct request *r);
void lease_handle(struct request *r);
void listen_handle(struct request *r);
void ping_handle(struct request *r);
void query_handle(struct request *r);
void release_handle(struct request *r);
void renew_handle(struct request *r);
void status_handle(struct request *r);
void submit_handle(struct request *r);
void unlisten_handle(struct request *r);
