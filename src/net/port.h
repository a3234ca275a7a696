/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef NET_PORT_H
#define NET_PORT_H

#include "net/network.h"
#include "proto/nic.h"

/*
 * A port: where an instance that runs is plugged in. It is the host's end of its wire, an interface of the kernel's, and a
 * record RUN/.net/ports/DEVICE.json, from which rules, names and the wire's place can be made again at any time. The record
 * is there before the interface and goes after it. What a killed keeper left of both goes when somebody next starts, stops or
 * lists its instance. The caller holds the networks' lock for whatever changes records.
 */
struct port {
	char *device;	/* the interface's name, and the record's */
	char *instance; /* its name */
	char *network;	/* NULL: bridge */
	char *bridge;	/* the one that the device is a port of */
	char *mac;
	char *ip, *ip6; /* "": none */
	char **publish; /* ports of the host's that lead to it (net/publish.h) */
	char **acls;	/* of the interface; its network has some, too (net/acl.h) */
	int64_t rate;	/* bits a second, each way; 0: any */
	int trusted;	/* what it sends is not looked at */
	int isolated;	/* it reaches no other port that is */
	char **beside; /* bridges of the instance's other ports, by which it answers who is on them */
	int64_t names_port; /* of the host's, where its instance asks for names; 0: its network's (net/view.h) */
};

void port_release(struct port *port);
#define _cleanup_port_ _cleanup_(port_release)

/* All that it has: its own, then those of its network, if it has one; none twice. Caller frees. */
char **port_acls(const struct port *port, const struct network *network);

/* The device's name for an instance's interface at that place: "vb", 8 hexadecimal digits, its place. */
void port_device_name(const struct network_home *home, const char *instance, size_t place,
		      char ret[NIC_NAME_MAX]);

int port_save(const struct network_home *home, const struct port *port, struct err *err);
/* -ENOENT without a message if there is none. */
int port_load(const struct network_home *home, const char *device, struct port *ret,
	      struct err *err);
/* Removes what killed processes were writing; the caller holds the lock of networks. */
void port_sweep(const struct network_home *home);
void port_remove(const struct network_home *home, const char *device);

struct port_list {
	struct port *items;
	size_t n;
};

/* All of them, or those of one network, sorted by device. One that cannot be read is left out. */
void port_list_load(const struct network_home *home, const char *network, struct port_list *ret);
void port_list_release(struct port_list *list);
#define _cleanup_port_list_ _cleanup_(port_list_release)

#endif
