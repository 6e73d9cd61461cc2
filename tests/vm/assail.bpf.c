// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program of somebody else's; which one the definition of WHAT says. Each is harmless: the guard
 * judges what a program could do, before it is attached.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

#define OBSERVE 0
#define SEND_SIGNAL 1
#define SEND_SIGNAL_THREAD 2
#define WRITE_USER 3
#define SEND_SIGNAL_IN_SUBPROGRAM 4
#define SEND_SIGNAL_LATE 5
#define MODIFY_RETURN 6
#define LSM 7
#define SEND_SIGNAL_TASK 8

#if WHAT == MODIFY_RETURN
SEC("fmod_ret/security_bpf_map")
int assail(unsigned long long *ctx)
{
	return 0;
}
#elif WHAT == LSM
SEC("lsm/task_kill")
int assail(unsigned long long *ctx)
{
	return 0;
}
#elif WHAT == SEND_SIGNAL_TASK
struct task_struct {
	int pid;
} __attribute__((preserve_access_index));
enum pid_type { PIDTYPE_PID };
extern int bpf_send_signal_task(struct task_struct *task, int sig, enum pid_type type,
				unsigned long long value) __ksym;

SEC("tp_btf/sched_process_exec")
int assail(unsigned long long *ctx)
{
	return bpf_send_signal_task((struct task_struct *)bpf_get_current_task_btf(), 0,
				    PIDTYPE_PID, 0);
}
#else
__attribute__((noinline)) int below(unsigned long long number)
{
#if WHAT == SEND_SIGNAL_IN_SUBPROGRAM
	if (number)
		return bpf_send_signal(number);
#endif
	return number != 0;
}

SEC("tracepoint/syscalls/sys_enter_getpgid")
int assail(void *ctx)
{
	unsigned long long value = bpf_get_current_pid_tgid();

#if WHAT == SEND_SIGNAL
	return bpf_send_signal(9);
#elif WHAT == SEND_SIGNAL_THREAD
	return bpf_send_signal_thread(9);
#elif WHAT == WRITE_USER
	return bpf_probe_write_user((void *)8, &value, sizeof(value));
#elif WHAT == SEND_SIGNAL_LATE
	/* many instructions before it, so that a look at the beginning does not find it */
	for (int i = 0; i < 300; i++)
		value = value * 31 + bpf_ktime_get_ns();
	return value ? bpf_send_signal(9) : 0;
#endif
	return below(value) & 1;
}
#endif
