# A guest of one page for the machine's contract tests: it says "orchestrator: ready" on the first serial port (if
# SAYS_READY), again and again (if FLOODS), and then ends by a triple fault (if REBOOTS), which is how a kernel restarts a
# machine, or halts for good.
# A 32-bit multiboot image: QEMU's -kernel starts it without any firmware of its own.
	.text
	.long 0x1BADB002, 0, -0x1BADB002
	.globl _start
_start:
.if SAYS_READY
	mov $text, %esi
	mov $0x3f8, %dx
next:	lodsb
	test %al, %al
.if FLOODS
	jz _start
.else
	jz said
.endif
	outb %al, %dx
	jmp next
.endif
said:
.if REBOOTS
	lidt nothing
	int3
.endif
	cli
halt:	hlt
	jmp halt
text:	.asciz "orchestrator: ready\n"
nothing: .word 0
	.long 0
