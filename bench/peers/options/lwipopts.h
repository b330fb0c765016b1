/* lwIP as it is at its best behind a TAP: one thread without an operating system, 1 MiB windows with scaling, SACK where
   lwIP has it (it tells the peer, and does not use what it is told), checksums while copying, pools instead of malloc.
   For the library built from Debian's source; the one that Debian ships has options of its own. */
#ifndef TCPCO_BENCH_LWIPOPTS_H
#define TCPCO_BENCH_LWIPOPTS_H

#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_NETCONN 0
#define LWIP_SOCKET 0
#define LWIP_STATS 0
#define LWIP_IPV4 1
#define LWIP_IPV6 0
#define LWIP_ARP 1
#define LWIP_ETHERNET 1
#define LWIP_ICMP 1
#define LWIP_UDP 0
#define LWIP_DNS 0
#define LWIP_DHCP 0
#define LWIP_TCP 1

#define MEM_ALIGNMENT 8
#define MEM_SIZE (32 * 1024 * 1024)
#define MEMP_NUM_PBUF 8192
#define PBUF_POOL_SIZE 4096
#define PBUF_POOL_BUFSIZE 1600
#define MEMP_NUM_TCP_PCB 2048
#define MEMP_NUM_TCP_PCB_LISTEN 8
#define MEMP_NUM_TCP_SEG 16384

#define TCP_MSS 1460
#define LWIP_WND_SCALE 1
#define TCP_RCV_SCALE 5
#define TCP_WND (1024 * 1024)
#define TCP_SND_BUF (1024 * 1024)
#define TCP_SND_QUEUELEN 8192
#define TCP_SNDLOWAT (32 * 1024) /* 16 bits */
#define TCP_QUEUE_OOSEQ 1
#define LWIP_TCP_SACK_OUT 1
#define TCP_LISTEN_BACKLOG 1
#define TCP_DEFAULT_LISTEN_BACKLOG 255

#if LWIP_WITHOUT_CHECKSUMS
#define CHECKSUM_GEN_IP 0
#define CHECKSUM_GEN_TCP 0
#define CHECKSUM_GEN_ICMP 0
#define CHECKSUM_CHECK_IP 0
#define CHECKSUM_CHECK_TCP 0
#define CHECKSUM_CHECK_ICMP 0
#else
#define LWIP_CHECKSUM_ON_COPY 1
#define LWIP_CHKSUM_ALGORITHM 3
#endif

/* In memory time hardly passes: TIME-WAIT would use up ports and connections. */
#if LWIP_IN_MEMORY
#define LWIP_NETIF_LOOPBACK 1
#define TCP_MSL 1UL
#endif

#endif
