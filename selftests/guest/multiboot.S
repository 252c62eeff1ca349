/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A Multiboot kernel of one page: prints its command line on the serial port,
 * then leaves through isa-debug-exit with status 0x2b (0x15 << 1 | 1), or with
 * 0x03 when the loader did not keep the protocol. With "triple" as the first
 * letters of its arguments it causes a triple fault instead.
 */
	.code32
	.text
	.align	4
	.long	0x1badb002, 3, -(0x1badb002 + 3)

	.globl	_start
_start:
	movl	$stack, %esp
	cmpl	$0x2badb002, %eax
	jne	bad
	testl	$4, (%ebx)		/* the command line is there */
	jz	bad
	testl	$0x40, (%ebx)		/* and the memory map */
	jz	bad
	movl	16(%ebx), %esi
	movl	%esi, %edi
	movl	$hello, %esi
	call	print
	movl	%edi, %esi
	call	print
	movl	$newline, %esi
	call	print
skip:	movb	(%edi), %al		/* past the image's name */
	incl	%edi
	testb	%al, %al
	jz	leave
	cmpb	$' ', %al
	jne	skip
	cmpl	$0x70697274, (%edi)	/* "trip" */
	je	triple
leave:	movl	$0x15, %eax
	outl	%eax, $0xf4
bad:	movl	$1, %eax
	outl	%eax, $0xf4
1:	hlt
	jmp	1b

triple:	lidt	nothing
	ud2

print:	movw	$0x3f8, %dx
1:	lodsb
	testb	%al, %al
	jz	2f
	outb	%al, %dx
	jmp	1b
2:	ret

	.data
hello:	.asciz	"multiboot: "
newline: .asciz	"\r\n"
nothing: .word	0
	.long	0
	.bss
	.space	4096
stack:
	.section .note.GNU-stack, "", @progbits
